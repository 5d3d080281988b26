"""Networks with the weights of a search's bank: the best under any limits, or a family of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers.base import Controller, Proposal
from controllers.evolution import RegularizedEvolution
from controllers.nsga2 import NSGA2
from controllers.objectives import Limit, Objective
from controllers.objectives import minimize as to_minimize
from controllers.ranking import order
from controllers.records import Outcome, judge
from nas.description import COSTS, Description, space_json
from nas.ranking import first_fronts
from nas.reuse.found import Found
from nas.reuse.load import preprocessing_of
from nas.reuse.rebuild import problem_of, space_of
from nas.search_record import SearchRecord
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Count, Seed, checked
from search_spaces.errors import BuildError, SearchError, UnknownNameError
from search_spaces.space import Space

if TYPE_CHECKING:
    from workers.bank.bank import Bank
    from workers.problems import Problem
    from workers.recipe import Recipe

OWN = 0.5
"""A network of whose numbers the bank has less is not scored."""

_TURNED_DOWN = 50
"""So many networks beyond a limit for each that is scored, before it is said that hardly any keeps it."""


@checked(SearchError, elsewhere=("modules", "space", "problem"))
def subnets(
    source: str | Path | Store = DEFAULT_STORE,
    *,
    search: str | int | None = None,
    limits: Limit | Sequence[Limit] = (),
    front: str | None = None,
    proposals: Count = 200,
    seed: Seed = 0,
    space: Any = None,
    problem: Problem | None = None,
    modules: Iterable[Callable[..., Any]] | None = None,
) -> list[Found]:
    """Returns networks with the weights that they have in the bank of a search with ``weights="shared"``.

    Evolution looks for them by their scores with these weights; nothing is trained. Such weights are a
    beginning: trained on (`nas.fine_tune`), or from nothing (`nas.retrain`), a network does better.

    Args:
        source: the store of the search.
        search: the name or number of the search; left out: the latest.
        limits: bounds on the costs of the networks, beside those of the search.
        front: a cost, such as ``num_params``: the networks that no other one beats in both that and the first
            objective of the search are returned, the smallest first. Left out: the best network alone.
        proposals: the number of networks to score.
        seed: the seed of the evolution.
        space: the space of the search, where its store could not keep it.
        problem: the problem of the search, where it is not of the catalog.
        modules: your own classes that the space uses.

    Returns:
        The networks, with the statistics of their batch normalisations measured anew; ``provenance`` says
        ``"evaluation": "inherited"``.

    Example:
        >>> small, *_, large = nas.subnets(front="num_params")
        >>> [network] = nas.subnets(limits=nas.at_most("num_params", 50_000))

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: the search has no bank, or none for this space; no network keeps the limits; or an
            argument is not what it should be.
    """
    given = (limits,) if isinstance(limits, Limit) else tuple(limits)
    for name in [*(limit.metric for limit in given), *([] if front is None else [front])]:
        if name not in COSTS:
            raise UnknownNameError("cost", name, sorted(COSTS))
    with open_store(source) as store:
        record = store.search(search)
        data = store.bank(record.id)
    if data is None:
        raise SearchError(
            f'search {record.name!r} has no bank: one with weights="shared" (nas search --weights shared) has'
        )
    from workers.bank.bank import Bank

    known = space_of(record, space, modules)
    if record.description.space not in (None, space_json(known)):
        raise SearchError(f"space: it is not that of search {record.name!r}, which its bank is of")
    networks = _Networks(
        record,
        Bank.from_safetensors(data),
        known,
        problem_of(record.description, record.name, problem),
    )
    description = record.description
    bounds = (*(limit for limit in description.limits if limit.metric in COSTS), *given)
    objectives = [description.objectives[0], *([to_minimize(front)] if front is not None else [])]
    kind = RegularizedEvolution if front is None else NSGA2
    controller = kind(networks.space, objectives, limits=bounds, seed=seed)
    scored = _scored(controller, networks, proposals, objectives, bounds)
    chosen = _best(scored, objectives)
    return [networks.found(proposal) for proposal in chosen]


class _Networks:
    """The networks of a bank."""

    def __init__(self, record: SearchRecord, bank: Bank, space: Space, problem: Problem) -> None:
        from workers.recipe import Recipe

        self.record, self.space, self._bank, self._problem = record, space, bank, problem
        recipe = Recipe.of(space.plain())
        standardise = recipe.standardise and record.description.standardise
        self._recipe: Recipe = recipe.model_copy(update={"standardise": standardise})

    @property
    def _description(self) -> Description:
        return self.record.description

    def costs(self, proposal: Proposal) -> dict[str, float]:
        """What is known of a network without weights."""
        return proposal.architecture.cost(self._problem.signature).to_dict()

    def metrics(self, proposal: Proposal) -> dict[str, float]:
        """The metrics of a network on the validation split.

        Raises:
            BuildError: the bank has too little of it.
        """
        found = self._heir(proposal)
        if found.share < OWN:
            raise BuildError(
                f"network {proposal.architecture.id}: the bank has {found.share:.0%} of its numbers"
            )
        metrics: dict[str, float] = found.metrics(self._problem.validation)
        return metrics

    def found(self, proposal: Proposal) -> Found:
        """A network as it is handed over."""
        from workers.weights import to_safetensors

        heir, description = self._heir(proposal), self._description
        return Found(
            proposal.architecture,
            description.signature,
            to_safetensors(heir.network),
            {**heir.metrics(self._problem.validation), **self.costs(proposal)},
            heir.metrics(self._problem.test),
            {
                "search": self.record.name,
                "problem": description.problem,
                "problem_options": dict(description.options),
                "data": description.data,
                "evaluation": "inherited",
                "inherited_share": heir.share,
                "seed": description.seed,
                "standardise": description.standardise,
            },
            preprocessing_of(description),
        )

    def _heir(self, proposal: Proposal) -> Any:
        from workers.bank.inheriting import heir

        seed = self._description.seed
        return heir(self._bank, proposal.architecture, self._problem, self._recipe, seed=seed)


def _scored(
    controller: Controller,
    networks: _Networks,
    proposals: int,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
) -> list[tuple[Proposal, Outcome]]:
    """Networks that keep the limits, with what they are worth."""
    found: list[tuple[Proposal, Outcome]] = []
    turned_down = 0
    while len(found) < proposals and not controller.exhausted and turned_down < _TURNED_DOWN * proposals:
        proposal = controller.ask()
        try:
            values = networks.costs(proposal)
            keeps = not any(limit.violation(values[limit.metric]) > 0 for limit in limits)
            if keeps:  # scores take time
                values = networks.metrics(proposal) | values
        except BuildError:
            controller.tell(proposal, None)
            turned_down += 1
            continue
        controller.tell(proposal, values)
        if not keeps:
            turned_down += 1
            continue
        outcome = judge(values, objectives, limits)
        if outcome.feasible:
            found.append((proposal, outcome))
    if not found:
        raise SearchError(
            f"no network of {turned_down} keeps {', '.join(map(str, limits)) or 'the limits'}: allow more"
        )
    return found


def _best(scored: Sequence[tuple[Proposal, Outcome]], objectives: Sequence[Objective]) -> list[Proposal]:
    """The best network; of two objectives all that no other one beats, by the second one."""
    if len(objectives) == 1:
        place = order([outcome for _, outcome in scored])[0]
        return [scored[place][0]]
    import numpy as np

    scores = np.array([outcome.scores for _, outcome in scored])
    kept = np.flatnonzero(first_fronts(scores, 1))
    different = {tuple(scores[place]): place for place in reversed(kept)}
    return [scored[place][0] for place in sorted(different.values(), key=lambda place: -scores[place][1])]
