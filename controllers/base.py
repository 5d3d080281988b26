"""The contract of every controller: ask for a proposal, tell how it went, and the laws that both keep."""

import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar, final

from controllers.curves import END, Curves, OlderCurve
from controllers.moves import Moves
from controllers.novelty import NoveltyGuard
from controllers.objectives import Limit, Objective
from controllers.prior import Prior, Trust, prior_of
from controllers.records import Draft, Outcome, Proposal, judge
from controllers.scores import DRAWS, FEWEST, Hints, ScoreFunction, checked_function
from search_spaces import Space
from search_spaces.arguments import Count, Seed, checked, plain, unbound
from search_spaces.errors import ControllerError

__all__ = ["Controller", "Draft", "Outcome", "Proposal"]

Part = TypeVar("Part", Objective, Limit)

_NO_SETTINGS = frozenset({"self", "space", "objectives", "limits", "seed"})


class Controller(ABC):
    """Proposes architectures of a space and learns from how they did.

    Laws, held by the tests of `controllers.testing.ControllerContract`:

    - *Deterministic.* The same seed and the same sequence of calls give the same proposals.
      No clock, no global random state, no order of a set.
    - *Restored by replay.* Repeating the recorded calls on a new controller restores it (`replay`).
    - *Never blocks.* Any number of asks may be in flight; results may come in any order, or never.
    - *Open.* It learns from results that it never asked for: a `Proposal` built by anyone can be told.
    - *Begins where it is told to.* With a prior its first proposals are near what that expects (`use_prior`).
    - *Pays for what it looks at.* Scores of untrained networks take a twentieth of what is trained at the
      most, and no result is judged by them (`use_scores`).
    - *Hears of the way.* What a trial that pauses scores so far may be observed; it counts as no result.
    - *Failures are data.* None, or a NaN or infinite objective, is a failed trial; a trial may be told with
      nothing but the costs that break a limit.
    - *Nothing twice.* A proposal never has the id of a network told or in flight while an untried one is
      reachable, unless `repeats=True` (some published protocols do repeat).
    - *Flat.* The time of `ask` and `tell` does not grow with the number of results.

    Subclasses implement `_propose` and `_learn`, and `_observe` if they learn from trials before their end.
    They take from `_draw` the networks that no result speaks for, draw only from `self.rng` or a generator
    seeded from `self.seed`, and keep `_propose` free of effects other than drawing: it is called again after
    a repeat. Stored searches hold the settings of a controller
    by the names of its constructor's parameters, and what was not given is the default: neither may change.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective, or several (then trials are compared by non-dominated front and crowding).
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Attributes:
        prior: what is expected of the decisions before there are results; None: nothing. See `use_prior`.
        hints: what scores untrained networks for it; None: nothing does. See `use_scores`.

    Raises:
        ControllerError: the objectives or limits are not what they should be.
    """

    #: the arguments it was made with, beside space, objectives, limits and seed
    settings: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        controller = super().__new__(cls)
        # partial: copying makes one without arguments and fills it afterwards
        signature = inspect.signature(cls.__init__)
        try:
            given = signature.bind_partial(controller, *args, **kwargs).kwargs
        except TypeError as error:
            raise ControllerError(unbound(cls.__name__, signature, kwargs, error)) from None
        settings = {name: value for name, value in given.items() if name not in _NO_SETTINGS}
        controller.settings = {name: plain(value) for name, value in settings.items()}
        return controller

    #: whether it models how far scores of untrained networks foretell those of its objectives
    models_scores = False

    #: how often `_propose` is asked again after a repeat, before the guard looks for an untried neighbour
    retries = 8

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        limits: Limit | Sequence[Limit] = (),
        seed: Seed = 0,
        repeats: bool = False,
    ) -> None:
        self.space: Space = space if isinstance(space, Space) else Space(space)
        self.objectives = _tuple_of(Objective, objectives, "objectives")
        self.limits = _tuple_of(Limit, limits, "limits")
        if not self.objectives:
            raise ControllerError("objectives: expected at least one, e.g. maximize('accuracy'), got none")
        metrics = [objective.metric for objective in self.objectives]
        if len(set(metrics)) < len(metrics):
            raise ControllerError(f"objectives: each metric can be given once, got {metrics}")
        self.seed = seed
        self.repeats = repeats
        self.rng = random.Random(seed)
        self.prior: Prior | None = None
        self.hints: Hints | None = None
        self._trust, self._trust_in_scores = Trust("prior"), Trust("scores")
        self.moves = Moves(self.space)
        # a generator of its own, so that stepping aside from repeats does not touch the algorithm's draws
        self._guard = NoveltyGuard(self.space, self.moves, random.Random(f"novelty {seed}"))
        self._curves = tuple(Curves() for _ in self.objectives)
        self._in_flight: dict[int, Proposal] = {}
        self._aside: set[str] = set()
        self._num_asked = 0
        self._num_told = 0

    @final
    @checked(ControllerError)
    def use_prior(self, given: object) -> None:
        """Lets the controller begin near what is expected to be good, and not anywhere.

        What it would draw at random is drawn from the prior, as long as that turns out better, and nearer to
        a random draw with each result; all else it does as ever.

        Args:
            given: a `Prior` of the same space, or what `controllers.prior.prior_of` makes one of.

        Raises:
            ControllerError: it is no prior of this space, or the controller has been asked already.
        """
        if self._num_asked:
            raise ControllerError(
                f"use_prior: expected a new controller, got one that was asked {self._num_asked} times"
            )
        self.prior = prior_of(given, self.space)

    @final
    @checked(ControllerError, elsewhere=("function",))
    def use_scores(self, function: ScoreFunction) -> None:
        """Lets the controller look at scores of networks that nobody has trained, as far as they pay.

        At most a twentieth of its evaluations is spent on them. Without a prior, what it would draw at random
        is the one of several draws that the scores speak for, as long as that turns out better (`Trust`).
        Controllers that model scores (`predictor`) learn how far these foretell theirs. Nothing is left out
        for its scores, and no result is judged by them.

        Args:
            function: the function that scores networks.

        Raises:
            ControllerError: it is no such function.
        """
        self.hints = Hints(checked_function(function), self.limits)
        self._use_hints(self.hints)

    @final
    def ask(self) -> Proposal:
        """Returns the next architecture to evaluate.

        It never blocks, and may be called any number of times in a row.
        """
        if self.hints is not None:
            self.hints.earn()
        draft = self._propose()
        repeat = self._guard.tried(draft.architecture.id)
        if repeat and not self.repeats:
            draft = self._avoid(draft)
            repeat = self._guard.tried(draft.architecture.id)
        proposal = Proposal(self._num_asked, draft.architecture, draft.parents, draft.origin, repeat)
        self._num_asked += 1
        self._in_flight[proposal.number] = proposal
        self._guard.note(proposal.architecture.id)
        return proposal

    @final
    @checked(ControllerError, elsewhere=("values",))
    def tell(self, proposal: Proposal, values: Mapping[str, float] | None) -> None:
        """Learns how a proposal did.

        Args:
            proposal: a proposal of this controller or from elsewhere (an older search, a person).
            values: the values by metric name, or None if the trial failed. Metrics that are neither
                objectives nor limits are ignored.

        Raises:
            ControllerError: an objective or a limited metric is missing or is no number, and what was given
                breaks no limit already; or it is no proposal. The controller is unchanged then.
        """
        self.take(proposal, judge(values, self.objectives, self.limits))

    @final
    def take(self, proposal: Proposal, outcome: Outcome) -> None:
        """Learns how a proposal did that was judged already, by the objectives and limits of this controller.

        Args:
            proposal: a proposal as for `tell`.
            outcome: how its values were judged.
        """
        asked = self._in_flight.get(proposal.number)
        if asked is not None and asked.architecture.id == proposal.architecture.id:
            del self._in_flight[proposal.number]
        self._guard.note(proposal.architecture.id)
        self._aside.discard(proposal.architecture.id)
        self._num_told += 1
        for curves, score in zip(self._curves, outcome.scores, strict=False):
            curves.add(proposal.architecture.id, END, score)
        self._trust.learn(proposal.origin, outcome)
        self._trust_in_scores.learn(proposal.origin, outcome)
        self._learn(proposal, outcome)

    @final
    @checked(ControllerError, elsewhere=("values",))
    def observe(self, proposal: Proposal, epochs: Count, values: Mapping[str, float] | None) -> None:
        """Hears how a proposal does on its way, after some epochs.

        It counts as no result: what is in flight stays so, and `tell` says in the end how the trial did. One
        that has failed so far, or breaks a limit, says nothing before it is told.

        Args:
            proposal: a proposal as for `tell`.
            epochs: the epochs that it was trained for so far.
            values: the values then, as for `tell`.

        Raises:
            ControllerError: it is no proposal, `tell` would not take the values, or the epochs are no whole
                number of at least 1.
        """
        self.see(proposal, epochs, judge(values, self.objectives, self.limits))

    @final
    def see(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        """Hears how a proposal does whose values were judged already, as `take` does of results.

        Args:
            proposal: a proposal as for `observe`.
            epochs: the epochs that it was trained for so far.
            outcome: how its values were judged.
        """
        if not outcome.feasible:
            return
        earlier = outcome.before or (None,) * len(outcome.scores)
        for curves, score, before in zip(self._curves, outcome.scores, earlier, strict=True):
            curves.add(proposal.architecture.id, epochs, score, before)
        self._observe(proposal, epochs, outcome)

    @final
    def recall(self, curve: OlderCurve, rungs: Sequence[int]) -> None:
        """Learns from how a trial of an older search came to its end what early scores say of late ones.

        It counts as no result: `tell` says that, where values compare.

        Args:
            curve: how it came there.
            rungs: the epochs at which trials pause now, in ascending order.
        """
        for number, curves in enumerate(self._curves):
            curves.recall(curve, rungs, number)

    @final
    def adopt(self, proposal: Proposal) -> None:
        """Counts a proposal that this controller did not make as in flight.

        It takes the place of the controller's own proposal of the same number, if there is one in flight: a
        record that differs from what the controller would ask today is what happened.
        """
        replaced = self._in_flight.pop(proposal.number, None)
        if replaced is not None and not replaced.repeat:
            self._guard.forget(replaced.architecture.id)
        self._in_flight[proposal.number] = proposal
        self._guard.note(proposal.architecture.id)
        self._num_asked = max(self._num_asked, proposal.number + 1)

    @final
    def set_aside(self, proposal: Proposal) -> None:
        """Counts a proposal as tried and as in flight no longer: no result is to be expected for now.

        If it is told later, it is learnt from all the same.
        """
        asked = self._in_flight.get(proposal.number)
        if asked is not None and asked.architecture.id == proposal.architecture.id:
            del self._in_flight[proposal.number]
        self._guard.note(proposal.architecture.id)
        self._aside.add(proposal.architecture.id)
        self._num_asked = max(self._num_asked, proposal.number + 1)

    @property
    def in_flight(self) -> tuple[Proposal, ...]:
        """The proposals asked and not told yet, in order of asking."""
        return tuple(self._in_flight.values())

    @property
    def num_in_flight(self) -> int:
        """The number of proposals asked and not told yet."""
        return len(self._in_flight)

    @property
    def num_asked(self) -> int:
        """The number of proposals asked; the next one has this number."""
        return self._num_asked

    @property
    def num_told(self) -> int:
        """The number of results told, those never asked for included."""
        return self._num_told

    @property
    def num_set_aside(self) -> int:
        """The number of networks that were set aside and not told since."""
        return len(self._aside)

    @property
    def exhausted(self) -> bool:
        """Whether every network of the space has been told or is in flight: the next proposal is a repeat.

        Exact for spaces of up to 100,000 decision sets; larger ones are looked through a part at a time.
        """
        return self._guard.exhausted

    @abstractmethod
    def _propose(self) -> Draft:
        """Returns what the algorithm would try next.

        It may be called several times per ask, so it only draws.
        """

    @abstractmethod
    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        """Learns from a result."""

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:  # noqa: B027
        """Learns from a trial before its end; what it is expected to end with, `_curves` say by its id."""

    def _use_hints(self, hints: Hints) -> None:  # noqa: B027
        """Takes up the hints of `use_scores`."""

    @final
    def _draw(self) -> Draft:
        """Returns a network that no result speaks for yet: from the prior, by its scores, else at random."""
        if self.prior is not None:
            if self.rng.random() < self._trust.share:
                return Draft(self.prior.sample(self.space, self.rng, self._evidence), origin="prior")
        elif self.hints is not None and len(self.objectives) == 1:
            number = min(DRAWS, self.hints.affordable)
            if number >= FEWEST and self.rng.random() < self._trust_in_scores.share:
                draws = [self.space.sample(self.rng) for _ in range(number)]
                return Draft(self.hints.best(draws), origin="scores")
        return Draft(self.space.sample(self.rng), origin="random")

    @property
    def _evidence(self) -> int:
        """The number of results told or to come."""
        return self._num_told + len(self._in_flight)

    def _avoid(self, repeat: Draft) -> Draft:
        """Returns a draft of an untried network near what is wanted; the repeat if there is none."""
        if self._guard.exhausted:
            return repeat
        for _ in range(self.retries):
            draft = self._propose()
            if not self._guard.tried(draft.architecture.id):
                return draft
        found = self._guard.near(repeat.architecture)
        if found is None:
            return repeat
        architecture, origin = found
        return Draft(architecture, (repeat.architecture.id,) if origin == "walk" else (), origin)


def _tuple_of(kind: type[Part], given: object, what: str) -> tuple[Part, ...]:
    if isinstance(given, kind):
        return (given,)
    if isinstance(given, Sequence) and not isinstance(given, str):
        parts = tuple(part for part in given if isinstance(part, kind))
        if len(parts) == len(given):
            return parts
    raise ControllerError(f"{what}: expected {kind.__name__} or a list of them, got {given!r}")
