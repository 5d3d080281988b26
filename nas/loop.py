"""The loop of a search: ask, train, store, tell."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from controllers.base import Controller, Proposal
from controllers.fidelity import Fidelity
from controllers.planner import Planner
from controllers.warm_start import warm_start
from nas.answers import REUSED, Answer, Answers
from nas.callbacks import Callbacks
from nas.checkpoints import Checkpoints
from nas.costs import CostCheck
from nas.description import Description
from nas.ending import End, end_of
from nas.flight import Flight, tell
from nas.lease import HEARTBEAT_SECONDS, Driver
from nas.progress import Progress
from nas.records import TRAINED, EpochReport, Leg, SearchRecord, Start, Trial
from nas.restoring import Restoring
from nas.standing import Standing
from nas.store import Store
from nas.usage import UsageRecorder
from nas.writing import Writing
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError, SearchError
from workers.executor import Executor
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Reported

_WAIT = 0.5  # seconds between looks at the clock while nothing happens
_BATCH = 64  # asks in one transaction at the most
_GIVEN = 10  # networks like the best older ones that are tried first, at the most


class Loop:
    """One driver of one search.

    Each turn takes what happened at the workers, tells the controller and asks for as many proposals as there
    is room for, result by result in their order; records all of it in one transaction; and only then starts
    the new jobs. So whatever was started is in the store, what is in the store is all there is to know
    (`restore` brings a new driver to the same place), and the proposals depend on the order in which results
    come, never on how fast they do.

    Args:
        store: where everything is recorded.
        record: the search in it.
        description: of the search.
        controller: who proposes, not asked or told anything of this search yet.
        fidelity: how long trials train, new.
        driver: this process, as the store knows it.
        callbacks: told what happens, as soon as the store has it; None: nobody.
    """

    def __init__(
        self,
        store: Store,
        record: SearchRecord,
        description: Description,
        controller: Controller,
        fidelity: Fidelity | None,
        driver: Driver,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.store, self.record, self.description = store, record, description
        self.planner, self.driver = Planner(controller, fidelity), driver
        self.callbacks = callbacks or Callbacks([])
        self.progress = Progress(
            record.name, description.budget, description.objectives[0].metric, elapsed=record.elapsed_seconds
        )
        self.standing = Standing(description, self.progress)
        self._now: Callable[[], float] = time.monotonic  # the executor's clock, as soon as there is one
        self._began = self._now()
        self._elapsed_before = record.elapsed_seconds
        self._heartbeat = 0.0  # when the store was last told that we live (monotonic)
        self._step = 0  # calls of the controller so far
        self._rejected = 0  # proposals in a row that broke a limit
        self._costs = CostCheck(description)
        self._answers = Answers(store, record, description) if description.reuse_results else None
        self._running: dict[int, Flight] = {}
        self._paused: dict[int, Flight] = {}
        self._checkpoints = Checkpoints(description, record.name)
        self._given: deque[Proposal] = deque()  # from older results, to be begun first
        self._num_given = 0
        self._usage = UsageRecorder()
        self._ids: set[str] = set()  # of the architectures that are running
        self._interrupted: list[Flight] = []  # of earlier drivers, to be begun again
        self._waiting: dict[str, list[tuple[Trial, Proposal]]] = {}  # repeats of what is being trained
        self._jobs: list[Job] = []  # to be started after the commit

    @property
    def controller(self) -> Controller:
        """Who proposes."""
        return self.planner.controller

    # -- the beginning -------------------------------------------------------------------------------------

    def start_from(self, starts: Sequence[Start]) -> None:
        """Let the controller begin from older results, before anything else.

        Those that compare are told; of the others, as of those that fit the space in part only, the best are
        tried first.
        """
        for comparable in (True, False):
            results = [(start.decisions, start.metrics) for start in starts if start.comparable is comparable]
            if results:
                most = _GIVEN - len(self._given)
                self._given += warm_start(self.controller, results, propose=most, tell=comparable).proposals
        self._num_given = len(self._given)

    def restore(self, rebuild: Callable[[Trial], Architecture]) -> None:
        """Come to where the last driver of this search was; see `nas.restoring`.

        Trials that were in flight are begun again, in their order and before anything new.

        Args:
            rebuild: the architecture of a trial from its decisions.

        Raises:
            SearchError: a trial's decisions now give another network: the space has changed.
        """
        restoring = Restoring(self.store, self.record, self.planner, self.standing, asked=self._num_given)
        past = restoring.run(rebuild)
        self._step, self._interrupted, self._paused = past.step, past.interrupted, past.paused
        self._given = deque(proposal for proposal in self._given if proposal.number not in past.numbers)
        if self._interrupted:
            with self.store.writing(self.record.id, self.driver) as writing:
                writing.beat(self._clock())
                for flight in self._interrupted:
                    writing.update(flight.trial)

    # -- the turn ------------------------------------------------------------------------------------------

    def over(self) -> End | None:
        """Why nothing more is to be begun, if so."""
        progress = self.progress
        self._clock()
        waiting = sum(map(len, self._waiting.values()))
        return end_of(
            self.description,
            progress,
            begun=progress.trials + len(self._running) + len(self._paused_before()) + waiting,
            rejected=self._rejected,
            exhausted=not self._interrupted and not self.controller.repeats and self.controller.exhausted,
        )

    def done(self) -> End | None:
        """Why there is nothing left to do, not even for trials that have paused, if so."""
        end = self.over()
        goes_on = (
            end is not None and end.waits and (self._paused_before() or self.planner.next_leg(last=True))
        )
        return None if goes_on else end

    def run(self, executor: Executor) -> str:
        """Turn until the search ends; gives the reason in words.

        Args:
            executor: where networks are trained; it is open.

        Raises:
            SearchError: no network was found that respects the limits.
        """
        self._elapsed_before, self._now = self._clock(), executor.clock
        self._began = self._now()
        events: list[Event] = []
        while True:
            end = self._turn(events, executor)
            self._show()
            if end is not None and end.fails:
                raise SearchError(end.words)
            if end is not None and not (end.waits and self._running):
                return end.words
            # with room left for another proposal, results can wait: see the class
            room = end is None and len(self._running) < self._slots(executor)
            events = [] if room else executor.events(timeout=self._patience())

    def leave(self, status: str, reason: str) -> None:
        """Record how the search stands and that nobody drives it now.

        What is running is given up: it is trained again when the search goes on.

        Raises:
            SearchError: another process has taken the search over.
        """
        self._checkpoints.close()
        with self.store.writing(self.record.id, self.driver) as writing:
            writing.interrupt()
            writing.search(status=status, reason=reason, driver=None, elapsed_seconds=self._clock())

    def _turn(self, events: list[Event], executor: Executor) -> End | None:
        with self.store.writing(self.record.id, self.driver) as writing:
            for event in events:
                if self._take(event, writing):
                    self._fill(writing, self._slots(executor))
            end = self._fill(writing, self._slots(executor))
            if end is not None and not end.waits:
                writing.interrupt()
                self._running.clear()
                self._jobs.clear()
            if self._usage.due(self._now()) or (end is not None and not self._running):
                self._usage.write(executor.usage(), writing, self._now(), self._clock())
            if writing or time.monotonic() - self._heartbeat > HEARTBEAT_SECONDS:
                writing.beat(self._clock())
                self._heartbeat = time.monotonic()
        self.standing.new_weights.clear()
        self._checkpoints.sweep()
        if self._jobs:
            executor.start(*self._jobs)
            self._jobs.clear()
        return end

    def _slots(self, executor: Executor) -> int:
        return max(1, executor.slots)

    def _patience(self) -> float:
        budget = self.description.budget.seconds
        return _WAIT if budget is None else min(_WAIT, max(0.01, budget - self._clock()))

    def _clock(self) -> float:
        self.progress.seconds_here = self._now() - self._began
        self.progress.elapsed = self._elapsed_before + self.progress.seconds_here
        return self.progress.elapsed

    def _show(self) -> None:
        self._clock()
        self.progress.running = len(self._running)
        self.progress.messages += self._checkpoints.messages
        self._checkpoints.messages.clear()
        self.callbacks.tell_noted()
        self.callbacks.tell(lambda callback: callback.on_turn(self.progress))
        self.progress.messages.clear()

    # -- asking --------------------------------------------------------------------------------------------

    def _fill(self, writing: Writing, slots: int) -> End | None:
        """Begin trials while there is room; gives why there are to be no more, if so."""
        for _ in range(_BATCH):
            end = self.over()
            if (end is not None and not end.waits) or len(self._running) >= slots:
                return end
            again = self._interrupted if end is None else self._paused_before()
            if again:
                self._begin_again(again[0], writing)
            elif self._go_on(writing, last=end is not None and not self._running):
                pass
            elif end is None:
                self._ask(writing)
            else:
                return end
        return None

    def _go_on(self, writing: Writing, *, last: bool) -> bool:
        """Let a trial that has paused go on, if one should; ``last``: nothing else is left to do."""
        found = self.planner.next_leg(last=last)
        if found is None:
            return False
        number, until = found
        self.planner.resume(number, until)
        paused = self._paused.pop(number)
        trial = replace(paused.trial, status="running")
        leg = Leg(number, until, self._next_step())
        self.standing.go_on(trial)
        writing.update(trial)
        writing.begin_leg(leg)
        state = self._checkpoints.take(paused.trial)
        self._send(Flight(trial, paused.proposal, leg), state)
        return True

    def _paused_before(self) -> list[Flight]:
        """Trials that were interrupted after a pause: they were begun, whatever the budget says now."""
        return [flight for flight in self._interrupted if flight.trial.told_step is not None]

    def _begin_again(self, flight: Flight, writing: Writing) -> None:
        self._interrupted.remove(flight)
        if flight.trial.told_step is None:
            self._begin(flight.trial, flight.proposal, writing, flight.leg)
            return
        trial = replace(flight.trial, status="running")
        writing.update(trial)
        self._send(replace(flight, trial=trial), None)

    def _ask(self, writing: Writing) -> None:
        """One more proposal."""
        proposal = self._given.popleft() if self._given else self.planner.ask()
        architecture = proposal.architecture
        trial = Trial(
            number=proposal.number,
            architecture_id=architecture.id,
            decisions=dict(architecture.decisions),
            status="running",
            origin=proposal.origin,
            parents=proposal.parents,
            asked_step=self._next_step(),
        )
        writing.add(trial)
        self._begin(trial, proposal, writing)

    def _begin(self, trial: Trial, proposal: Proposal, writing: Writing, leg: Leg | None = None) -> None:
        """A trial to a worker, or answered at once from a limit or from the record."""
        trial = replace(trial, status="running", started_at=time.time())
        twin = self.standing.known.get(trial.architecture_id)
        if twin is not None:
            self._repeat(trial, proposal, twin, writing)
            return
        if trial.architecture_id in self._ids:
            self._waiting.setdefault(trial.architecture_id, []).append((trial, proposal))
        else:
            if self._costs.needed:
                checked = self._check_costs(trial, proposal, writing)
                if checked is None:
                    return
                trial = checked
            answer = None if self._answers is None else self._answers.find(proposal.architecture)
            if answer is not None:
                self._take_over(trial, proposal, answer, writing)
                return
            if leg is None and (until := self.planner.begin(proposal)) is not None:
                leg = Leg(trial.number, until, self._next_step())
                writing.begin_leg(leg)
            trial, initial = self._inherit(trial, proposal)
            self._send(Flight(trial, proposal, leg), None, initial)
        writing.update(trial)

    def _inherit(self, trial: Trial, proposal: Proposal) -> tuple[Trial, bytes | None]:
        """The weights that a trial begins from, and the trial, which says whose; None: from nothing."""
        if self.description.inherit_weights:
            kept = {one.architecture_id: one.number for one in self.standing.kept.values()}
            for parent in proposal.parents:
                number = kept.get(parent, -1)
                data = self.standing.new_weights.get(number) or self.store.weights(self.record.id, number)
                if data is not None:
                    return replace(trial, message=f"began from the weights of trial {number}"), data
        return replace(trial, message=None), None

    def _send(self, flight: Flight, checkpoint: Checkpoint | None, initial: bytes | None = None) -> None:
        """Have a trial trained after the commit, from its checkpoint or from another's weights if given."""
        budget, trial = self.description.budget, flight.trial
        folder = self._checkpoints.folder(trial)
        self._running[trial.number] = flight
        self._ids.add(trial.architecture_id)
        seconds = budget.trial_seconds
        self._jobs.append(
            Job(
                number=trial.number,
                architecture=flight.proposal.architecture,
                seed=training_seed(self.description.seed, trial.architecture_id),
                epochs=self.planner.fidelity.max_epochs or budget.epochs,
                seconds=None if seconds is None else max(1e-3, seconds - (trial.seconds or 0.0)),
                until=None if flight.leg is None else flight.leg.until,
                checkpoint=checkpoint,
                folder=folder,
                save_seconds=self.description.checkpoint_seconds,
                memory=budget.trial_memory,
                silence=budget.trial_silence,
                initial=initial,
            )
        )

    def _check_costs(self, trial: Trial, proposal: Proposal, writing: Writing) -> Trial | None:
        """The trial with its costs; None if they break a limit, or are not to be had: then it is over."""
        try:
            costs = self._costs.costs(proposal.architecture)
        except BuildError as error:
            self._end(trial, proposal, writing, "failed", reason="build", message=str(error))
            return None
        trial = replace(trial, metrics=costs)
        broken = self._costs.broken(costs)
        if broken is not None:
            self._rejected += 1
            self._end(trial, proposal, writing, "infeasible", reason="limit", message=broken)
            return None
        self._rejected = 0
        return trial

    # -- taking --------------------------------------------------------------------------------------------

    def _take(self, event: Event, writing: Writing) -> bool:
        """Take an event in; gives whether a job has ended with it."""
        if event.number not in self._running:
            return False  # of a job that was given up
        flight = self._running[event.number]
        trial = flight.trial
        if isinstance(event, Reported):
            came = event.report
            if came.epoch <= (trial.epochs or 0):
                return False  # trained again, for want of a checkpoint
            report = EpochReport(
                came.epoch, came.metrics, came.train_loss, came.seconds, came.samples_per_second
            )
            trial = replace(trial, epochs=came.epoch)
            self._report(trial, report, writing)
            self._running[event.number] = replace(flight, trial=trial)
            return False
        del self._running[event.number]
        self._ids.discard(trial.architecture_id)
        if event.log:
            writing.log(trial.number, event.log)
        if isinstance(event, Finished):
            self._finish(event, flight, writing)
        else:
            self._fail(event, flight, writing)
        for repeat in self._waiting.pop(trial.architecture_id, []):
            self._repeat(*repeat, self.standing.known[trial.architecture_id], writing)
        return True

    def _report(self, trial: Trial, report: EpochReport, writing: Writing) -> None:
        writing.report(trial.number, report)
        self.callbacks.note(lambda callback: callback.on_report(trial, report))

    def _finish(self, event: Finished, flight: Flight, writing: Writing) -> None:
        trial, proposal, paused = flight.trial, flight.proposal, event.checkpoint
        costs = {name: value for name, value in trial.metrics.items() if name not in event.metrics}
        ended = self._end(
            trial,
            proposal,
            writing,
            "complete" if paused is None else "paused",
            flight.leg,
            metrics={**event.metrics, **costs, **event.costs},
            test_metrics=event.test_metrics,
            seconds=(trial.seconds or 0.0) + event.seconds,
        )
        if paused is None:
            self._checkpoints.remove(trial)
        else:
            self._paused[trial.number] = Flight(ended, proposal, flight.leg)
            self._checkpoints.keep(ended, paused)
        self.standing.keep(ended, event.weights, writing)

    def _fail(self, event: Failed, flight: Flight, writing: Writing) -> None:
        trial = flight.trial
        self._end(
            trial,
            flight.proposal,
            writing,
            "failed",
            flight.leg,
            reason=event.reason,
            message=event.message,
            traceback=event.traceback or None,
            seconds=(trial.seconds or 0.0) + event.seconds,
        )
        self._checkpoints.remove(trial)
        self.standing.drop(trial.number, writing)
        self.progress.messages.append(f"{trial.architecture_id} failed ({event.reason}): {event.message}")

    def _repeat(self, trial: Trial, proposal: Proposal, twin: Trial, writing: Writing) -> None:
        """Answer a network that was tried before from the record."""
        self._end(
            trial,
            proposal,
            writing,
            "repeated",
            reason=twin.reason,
            message=f"the same network as trial {twin.number}",
            metrics=twin.metrics,
            test_metrics=twin.test_metrics,
        )

    def _take_over(self, trial: Trial, proposal: Proposal, answer: Answer, writing: Writing) -> None:
        """Answer a network from the record of another search."""
        for report in answer.reports:
            if report.epoch > (trial.epochs or 0):  # else it was trained in part, before an interruption
                trial = replace(trial, epochs=report.epoch)
                self._report(trial, report, writing)
        costs = {name: value for name, value in trial.metrics.items() if name not in answer.trial.metrics}
        ended = self._end(
            trial,
            proposal,
            writing,
            "complete",
            reason=REUSED,
            message=f"the result of trial {answer.trial.number} of search {answer.search}",
            metrics={**answer.trial.metrics, **costs},
            test_metrics=answer.trial.test_metrics,
            epochs=answer.trial.epochs,
        )
        if answer.weights is not None:
            self.standing.keep(ended, HeldWeights(answer.weights), writing)

    def _end(
        self,
        trial: Trial,
        proposal: Proposal,
        writing: Writing,
        status: Any,
        leg: Leg | None = None,
        **values: Any,
    ) -> Trial:
        """Record how a trial or a leg of it ended, and tell the controller."""
        ended = replace(trial, status=status, told_step=self._next_step(), **values)
        ended = replace(ended, score=self.standing.score(ended))
        writing.update(ended)
        self.standing.count(ended)
        self.progress.trials_here += status in TRAINED and trial.told_step is None and ended.reason != REUSED
        if leg is not None:
            metrics = None if status == "failed" else ended.metrics
            leg = replace(leg, told_step=ended.told_step, metrics=metrics)
            writing.end_leg(leg)
        tell(self.planner, Flight(ended, proposal, leg))
        self.callbacks.note(lambda callback: callback.on_trial_end(ended))
        return ended

    def _next_step(self) -> int:
        self._step += 1
        return self._step


def training_seed(seed: int, architecture_id: str) -> int:
    """The seed of a training: the same whenever and wherever this network is trained in this search."""
    return int.from_bytes(hashlib.sha256(f"{seed} {architecture_id}".encode()).digest()[:4])
