"""How a trial of a search begins: sent to a worker, or answered at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from controllers.fidelity import FullBudget
from controllers.planner import Planner
from nas.description import Description
from nas.records import BEGAN_FROM, LIMIT, Leg, Trial
from nas.search.checkpoints import Checkpoints
from nas.search.cost_limits import CostCheck
from nas.search.flights import Flight, Flights, job_for
from nas.search.lessons import Lessons
from nas.search.outcomes import Outcomes
from nas.search.plan.time_left import TimeLeft
from nas.search.reruns import RerunFlight, rerun_job
from nas.search.reused_results import ReusedResults
from nas.store.transaction import Transaction
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError
from workers.executor import Executor
from workers.job import Checkpoint, Job, Parent, SharedWeights


class Launcher:
    """Begins flights. Jobs are gathered and start after the commit: what runs is in the store.

    Args:
        description: the description of the search.
        planner: who says how long a trial trains before it pauses.
        flights: the flights of the search; those that begin are put there.
        outcomes: how flights end that are answered at once.
        checkpoints: where trials are saved.
        results: the results of other searches; None: they are not looked at.
        time_left: what holds networks against the time that is left.
        lessons: the lessons of the search's bank; None: it shares no weights.

    Attributes:
        rejected: the number of proposals in a row that broke a limit.
        late: the number of proposals in a row that would not have come to their end in time.
        jobs: the jobs to be started after the commit.
    """

    def __init__(
        self,
        description: Description,
        planner: Planner,
        flights: Flights,
        outcomes: Outcomes,
        checkpoints: Checkpoints,
        results: ReusedResults | None,
        time_left: TimeLeft,
        lessons: Lessons | None = None,
    ) -> None:
        self.description, self.planner = description, planner
        self.flights, self.outcomes, self.checkpoints = flights, outcomes, checkpoints
        self.rejected = self.late = 0
        self.time_left = time_left
        self.jobs: list[Job] = []
        self._results, self._costs = results, CostCheck(description)
        self._lessons = lessons
        self._loads = False  # whether a trained network was loaded again

    def begin(self, flight: Flight, writing: Transaction) -> None:
        """Send a flight to a worker, or answer it from a limit, the record or another search."""
        flight = flight.with_trial(replace(flight.trial, status="running", started_at=time.time()))
        twin = self.outcomes.history.known.get(flight.trial.architecture_id)
        inherited = self.planner.inherited
        if twin is not None and twin.inherited and inherited is not None and not inherited.trusted:
            twin = None  # it was scored, and such scores turned out to be worth nothing
        if twin is not None:
            self.rejected = self.rejected + 1 if twin.status == "infeasible" else 0
            self.outcomes.repeat(flight, writing)
            return
        if self.flights.wait(flight):
            writing.update(flight.trial)
            return
        checked = self._check_costs(flight, writing) if self._costs.needed else flight
        if checked is None or self._reuse(checked, writing):
            return
        flight = checked
        if (words := self._late(flight)) is not None:
            self.late += 1
            self.outcomes.too_late(flight, words, writing)
            return
        self.late = 0
        if flight.leg is None and (until := self.planner.begin(flight.proposal)) is not None:
            leg = Leg(flight.number, until, self.outcomes.next_step())
            writing.begin_leg(leg)
            flight = replace(flight, leg=leg)
        flight, parent = self._inherit(flight)
        self._send(flight, parent=parent)
        writing.update(flight.trial)

    def resume(self, flight: Flight, writing: Transaction, checkpoint: Checkpoint | None = None) -> None:
        """Let a flight that has paused go on with its leg, from its checkpoint if there is one."""
        flight = flight.with_trial(replace(flight.trial, status="running"))
        parent = None
        if checkpoint is None:  # it is lost: from the beginning again
            flight, parent = self._inherit(flight)
        writing.update(flight.trial)
        self._send(flight, checkpoint, parent)

    def repeat(self, trial: Trial, architecture: Architecture, number: int, run: int, epochs: int) -> None:
        """Send the network of a trial to a worker again; see `nas.search.reruns.rerun_job`."""
        job = rerun_job(self.description, architecture, number, run, epochs)
        self.flights.repeats[number] = RerunFlight(trial, job, run + 1)
        self.jobs.append(job)

    def start(self, executor: Executor) -> None:
        """Start the jobs that were gathered."""
        if self.jobs:
            executor.start(*self.jobs)
            self.jobs.clear()

    def _send(
        self, flight: Flight, checkpoint: Checkpoint | None = None, parent: Parent | None = None
    ) -> None:
        self.flights.run(flight)
        epochs = self.planner.ends.get(flight.number) or self.planner.fidelity.max_epochs
        folder = self.checkpoints.folder(flight.trial)
        bank = self._bank_for(flight) if checkpoint is None else None
        job = job_for(self.description, flight, epochs, folder, checkpoint, parent, bank)
        self.jobs.append(replace(job, round_trip=not self._loads))

    def _bank_for(self, flight: Flight) -> SharedWeights | None:
        """The bank that a flight takes its weights from: to be scored with them, or to be trained on."""
        inherited = self.planner.inherited
        if self._lessons is None or inherited is None:
            return None
        scored = flight.leg is not None and flight.leg.until == 0
        inherits = self.description.finish == "inherit" and inherited.trusted
        return self._lessons.shared if scored or inherits else None

    def teach(self, job: Job) -> None:
        """Send a lesson of the bank to a worker."""
        self.flights.teaching += 1
        self.jobs.append(job)

    def _check_costs(self, flight: Flight, writing: Transaction) -> Flight | None:
        """Returns the flight with its costs; None if they break a limit, or cannot be counted: it is over."""
        try:
            costs = self._costs.costs(flight.proposal.architecture)
        except BuildError as error:
            self.outcomes.not_built(flight, error, writing)
            return None
        flight = flight.with_trial(replace(flight.trial, metrics=costs))
        broken = self._costs.broken(costs)
        if broken is not None:
            self.rejected += 1
            self.outcomes.turn_down(flight, broken, writing)
            return None
        if not self.description.bounds:  # else a worker has yet to look at its scores
            self.rejected = 0
        return flight

    def _late(self, flight: Flight) -> str | None:
        """Says why a network would not come to its end in time, or to a first pause; None where it would."""
        if flight.proposal.origin == "plain":
            return None
        until = None if isinstance(self.planner.fidelity, FullBudget) else 1
        return self.time_left.late(flight.proposal.architecture, self._epochs, until)

    def failed(self, reason: str) -> None:
        """Take in why a trial has failed: for `LIMIT` a worker has turned it down, for a score of it."""
        if reason == LIMIT:
            self.rejected += 1
        else:
            self._accepted()

    def _accepted(self) -> None:
        """A network broke no limit, as is known once a worker has looked at its scores."""
        if self.description.bounds:
            self.rejected = 0

    def turned_out_late(self, flight: Flight, paced: float | None) -> str | None:
        """Says why a trial in training is to be stopped; None where it is to go on.

        One that has paused before goes on whatever it takes: it was worth it by its score.

        Args:
            flight: the flight, in training.
            paced: the seconds that an epoch of it takes by its first steps; None: by its reports.
        """
        if flight.proposal.origin == "plain" or flight.trial.told_step is not None:
            return None
        # by reports from the second on: a first epoch takes longer than all others
        pace = paced if paced is not None or flight.reported < 2 else flight.pace
        if pace is None:
            return None
        until = None if flight.leg is None else flight.leg.until
        return self.time_left.turned_out_late(flight, pace, self._epochs, until)

    @property
    def _epochs(self) -> int | None:
        """The epochs of a trial that is never stopped; None: those of its recipe."""
        return self.planner.fidelity.max_epochs or self.description.budget.epochs

    def trained(self, flight: Flight, ran: Mapping[str, str]) -> None:
        """Take in that the training of a flight has ended well, and what ran in it."""
        self._loads = True
        self._accepted()
        if self._results is not None:
            self._results.trained(flight.proposal.architecture, ran)

    def _reuse(self, flight: Flight, writing: Transaction) -> bool:
        """End a flight with the result of another search if one has it; returns whether."""
        result = None if self._results is None else self._results.find(flight.proposal.architecture)
        if result is None:
            return False
        self._accepted()
        self.outcomes.reuse(flight, result, writing)
        return True

    def _inherit(self, flight: Flight) -> tuple[Flight, Parent | None]:
        """Returns the flight, which says whose weights it begins from, and that network if there is one."""
        parents = flight.proposal.parents if self.description.inherit_weights else ()
        found = self.outcomes.weights.find(parents) if parents else None
        if found is None:
            return flight.with_trial(replace(flight.trial, message=None)), None
        trial, data = found
        architecture = self.planner.controller.space.architecture(trial.decisions)
        message = f"{BEGAN_FROM} {trial.number}"
        return flight.with_trial(replace(flight.trial, message=message)), Parent(architecture, data)
