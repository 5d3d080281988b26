"""Bringing a new driver to where the last one of a search was, from the store alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from controllers.base import Proposal
from controllers.planner import Planner
from nas.ranking import Ranked
from nas.records import LATE, LIMIT, MEASURED, TRAINED, Leg, Trial
from nas.search.flights import Flight, tell
from nas.search.history import TrialHistory
from nas.search.plan.plan import SearchPlan
from nas.search.reused_results import REUSED
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces.architecture import Architecture
from search_spaces.errors import SearchError


@dataclass
class ReplayedState:
    """Where the drivers of a search before this one left it.

    Attributes:
        step: the number of calls of the controller so far.
        numbers: the numbers of the trials that were asked for.
        interrupted: the flights that were cut off, queued ones included, in the order in which they were
            begun.
        paused: the flights that have paused, by number.
        trained: the flights that were trained at least to a pause, in the order of their numbers.
        kept: the trials whose weights are kept, by number, and how they are judged.
    """

    step: int = 0
    numbers: set[int] = field(default_factory=set)
    interrupted: list[Flight] = field(default_factory=list)
    paused: dict[int, Flight] = field(default_factory=dict)
    trained: list[Flight] = field(default_factory=list)
    kept: dict[int, Ranked] = field(default_factory=dict)


class Replay:
    """Repeats the calls that the controller and the fidelity of a search got from earlier drivers.

    Args:
        store: the store that has their record.
        record: the record of the search.
        planner: a new planner, which gets the calls.
        history: a new history, which comes to know the trials that are over.
        plan: a new plan, which gets the choices.
        asked: the number of proposals that the new planner was asked for already: networks that the search
            begins with.
    """

    def __init__(
        self,
        store: Store,
        record: SearchRecord,
        planner: Planner,
        history: TrialHistory,
        plan: SearchPlan,
        asked: int,
    ) -> None:
        self.store, self.record, self.planner, self.history = store, record, planner, history
        self._plan = plan
        self._asked = asked
        self._state = ReplayedState()
        self._calls: list[tuple[int, Callable[[], object]]] = []
        self._metrics: Mapping[tuple[int, int], Mapping[str, float]] = {}  # by trial and epoch

    def run(self, rebuild: Callable[[Trial], Architecture]) -> ReplayedState:
        """Repeat the calls; returns where the search stands after them.

        Args:
            rebuild: returns the architecture of a trial from its decisions.

        Raises:
            SearchError: a trial's decisions now give another network: the space has changed.
        """
        search = self.record.id
        epochs = self.store.last_epochs(search)
        legs: dict[int, list[Leg]] = {}
        for leg in self.store.legs(search):
            legs.setdefault(leg.number, []).append(leg)
        ends = {leg.until for those in legs.values() for leg in those}
        self._metrics = self.store.metrics_at(search, ends | {end - 1 for end in ends})
        trials = {trial.number: trial for trial in self.store.trials(search)}
        for number, trial in trials.items():
            architecture = rebuild(trial)
            if architecture.id != trial.architecture_id:
                raise SearchError(
                    f"search {self.record.name!r} cannot go on: trial {number} was the network "
                    f"{trial.architecture_id}, its decisions now give {architecture.id}"
                )
            proposal = Proposal(number, architecture, trial.parents, trial.origin)
            if number >= self._asked:
                self._calls.append((trial.asked_step, partial(self.planner.repeat, proposal)))
            self._restore(Flight(trial, proposal), legs.get(number, []), epochs.get(number))
        for choice in self.store.choices(search):
            self._calls.append((choice.step, partial(self._plan.take, choice)))
        self._calls.sort(key=lambda call: call[0])
        for _, call in self._calls:
            call()
        state = self._state
        state.numbers = set(trials)
        state.step = max(
            [*(step for step, _ in self._calls), *(it.asked_step for it in trials.values())], default=0
        )
        state.interrupted.sort(key=lambda flight: flight.asked_step)
        judge = self.history.ranking.judge
        kept = [trials[number] for number in sorted(self.store.kept_weights(search))]
        state.kept = {trial.number: judge(trial) for trial in self.store.of_kept_trainings(search, kept)}
        return state

    def _restore(self, flight: Flight, legs: list[Leg], epochs: int | None) -> None:
        """Take in what was called for a flight after it was asked for, and where it stands.

        Args:
            flight: the flight as it was begun, with its trial as the store has it.
            legs: the legs of the trial that were begun, in their order.
            epochs: the last epoch that was reported; None: there is none.
        """
        trial, proposal = flight.trial, flight.proposal
        for leg in legs:
            first = leg is legs[0]
            begin = partial(self.planner.begin, proposal)
            go_on = partial(self.planner.resume, leg.number, leg.until)
            self._calls.append((leg.asked_step, begin if first else go_on))
            if leg.told_step is not None:
                over = trial.status in TRAINED or trial.reason in (LATE, LIMIT)
                last = leg is legs[-1] and over
                then = trial if last else replace(trial, status="paused", metrics=leg.metrics or {})
                self._call_tell(leg.told_step, self._flight(then, proposal, leg))
        cut = legs[-1] if legs and legs[-1].told_step is None else None
        if cut is not None or trial.told_step is None:
            # what was reported stays: the same epochs are not reported again
            left = replace(trial, epochs=epochs)
            if trial.status != "queued":
                left = replace(left, status="interrupted")
            at = max((leg.until for leg in legs if leg.told_step is not None), default=0)
            self._state.interrupted.append(replace(self._flight(left, proposal, cut), paused_at=at))
            return
        if not legs:
            self._call_tell(trial.told_step, flight)
        self.history.count(self.history.ranking.judge(trial))
        if trial.status in MEASURED and trial.reason != REUSED:
            self._state.trained.append(Flight(trial, proposal))
        if trial.status == "paused":
            self._state.paused[trial.number] = self._flight(trial, proposal, legs[-1] if legs else None)

    def _flight(self, trial: Trial, proposal: Proposal, leg: Leg | None) -> Flight:
        """Returns a flight that knows what was reported at the end of its leg."""
        ends = () if leg is None else (leg.until - 1, leg.until)
        known = [(end, self._metrics.get((trial.number, end))) for end in ends]
        return Flight(trial, proposal, leg, latest=tuple((end, it) for end, it in known if it is not None))

    def _call_tell(self, step: int, flight: Flight) -> None:
        self._calls.append((step, partial(tell, self.planner, flight)))
