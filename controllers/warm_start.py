"""Starting a controller from the results of an older search, of the same space or one that overlaps it."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controllers import ranking
from controllers.base import Controller
from controllers.records import Outcome, Proposal, judge
from controllers.replay import insert
from search_spaces import Architecture
from search_spaces.arguments import Whole, checked
from search_spaces.errors import ControllerError, DecisionError
from search_spaces.holes import Hole, Value

Decisions = Mapping[str, Value]
Values = Mapping[str, float] | None

# the best of the old results are told last, for several controllers let the oldest go; no more than a share
# of them, so that those who weigh a result by the ones before it do not see a row of ever better ones
_LAST, _SHARE = 50, 0.25


@dataclass(frozen=True)
class WarmStart:
    """What became of old results.

    A record for `replay` has an event ("tell", proposal, values) for each of `told`, then ("ask", proposal)
    for each of `proposals`.

    Attributes:
        told: what the controller learnt from, in the order of telling. The numbers are negative, so a
            controller never uses them itself.
        proposals: networks of this space next to old ones, now in flight: evaluate and tell them first.
        left_out: the number of results that came to neither.
    """

    told: tuple[tuple[Proposal, Values], ...]
    proposals: tuple[Proposal, ...]
    left_out: int


@checked(ControllerError, elsewhere=("results",))
def warm_start(
    controller: Controller,
    results: Iterable[tuple[Decisions | Architecture, Values]],
    *,
    propose: Whole = 0,
    tell: bool = True,
) -> WarmStart:
    """Lets a controller begin from old results.

    A result is told only where it is one of this space exactly: the decisions fill the space, none is left
    over, and, if a whole architecture is given, it is the same network. A value that was measured on another
    network would be believed for ever, and the guard against repeats would keep the right one from being
    tried. (What was told is not proposed again.) A network whose decisions fit only in part is still worth a
    trial: of these, the `propose` best by their old values are carried over, with each decision that this
    space knows kept and the others sampled, and asked for first, so that their values are measured here.

    Values that lack an objective are left out, not an error: the older search may have measured other things.

    Args:
        controller: the controller; it may have been asked and told before.
        results: decisions (path -> value) or an architecture, each with its values by metric name (None: it
            failed), in the order in which they came.
        propose: the largest number of networks to propose from results that are not told.
        tell: whether values compare with those to come. If not (another problem, shorter trainings), they
            only say what to propose.

    Raises:
        ControllerError: a result is no pair, or another argument is not what it should be.
    """
    if not isinstance(results, Iterable):
        raise ControllerError(f"warm_start: results: expected a list of results, got {results!r:.80}")
    exact: list[tuple[Architecture, Values, Outcome]] = []
    near: list[tuple[Decisions, Outcome]] = []
    left_out = 0
    for result in results:
        decisions, values, known = _read(result)
        try:
            outcome = judge(values, controller.objectives, controller.limits)
        except ControllerError:
            left_out += 1
            continue
        try:
            architecture = controller.space.architecture(decisions)
        except DecisionError:
            near.append((decisions, outcome))
            continue
        if tell and (known is None or known == architecture.id):
            exact.append((architecture, values, outcome))
        else:
            near.append((decisions, outcome))
    told = []
    for place, index in enumerate(_best_last([outcome for *_, outcome in exact])):
        architecture, values, _ = exact[index]
        proposal = Proposal(-1 - controller.num_told - place, architecture, origin="warm start")
        told.append((proposal, values))
    for proposal, values in told:
        controller.tell(proposal, values)
    proposals = _propose(controller, near, propose)
    return WarmStart(tuple(told), proposals, left_out + len(near) - len(proposals))


def _propose(
    controller: Controller, near: list[tuple[Decisions, Outcome]], most: int
) -> tuple[Proposal, ...]:
    """Puts the best of `near` in flight, as far as they make networks that are not there already."""
    rng = random.Random(f"warm start {controller.seed}")
    own = controller.space.holes()
    proposals: list[Proposal] = []
    for index in ranking.order([outcome for _, outcome in near]):
        decisions, outcome = near[index]
        fitting = sum(path in own and own[path].contains(value) for path, value in decisions.items())
        if len(proposals) >= most or outcome.failed or not fitting:
            continue

        def pick(path: str, hole: Hole, decisions: Decisions = decisions) -> Value:
            kept = path in decisions and hole.contains(decisions[path])
            return decisions[path] if kept else hole.sample(rng)

        architecture = controller.space.fill(pick)
        if controller._guard.tried(architecture.id):
            continue
        proposals.append(insert(controller, architecture, "warm start"))
    return tuple(proposals)


def _best_last(outcomes: list[Outcome]) -> list[int]:
    """Returns indices in the given order, but for the best, which come last, the very best at the end."""
    best = ranking.order(outcomes)[: min(_LAST, int(_SHARE * len(outcomes)))][::-1]
    chosen = set(best)
    return [index for index in range(len(outcomes)) if index not in chosen] + best


def _read(result: object) -> tuple[Decisions, Values, str | None]:
    """Returns the decisions, the values, and the id of the network if it is known."""
    if isinstance(result, tuple) and len(result) == 2:
        what, values = result
        if isinstance(what, Architecture):
            return what.decisions, values, what.id
        if isinstance(what, Mapping):
            return what, values, None
    raise ControllerError(
        f"warm_start: expected pairs of decisions or an architecture and values, got {result!r:.80}"
    )
