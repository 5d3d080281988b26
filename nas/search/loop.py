"""The loop of a search: ask, train, store, tell."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from controllers.base import Controller, Proposal
from controllers.fidelity import Fidelity
from controllers.planner import Planner
from controllers.warm_start import warm_start
from nas.description import Description
from nas.lease import HEARTBEAT_SECONDS, Driver
from nas.records import Leg, PlanChoice, Start, Trial
from nas.results.cards import told
from nas.results.usage import UsageRecorder
from nas.search.callbacks import Callbacks
from nas.search.checkpoints import Checkpoints
from nas.search.end import LATE_IN_A_ROW, End, FailureStreak, end_of
from nas.search.flights import VALIDATED, Flight, Flights
from nas.search.hints import NetworkScores
from nas.search.history import TrialHistory
from nas.search.kept_weights import KeptWeights
from nas.search.launcher import Launcher
from nas.search.lesson_networks import LessonNetworks
from nas.search.lessons import Lessons
from nas.search.outcomes import Outcomes
from nas.search.plan.budget_end import BudgetEnd, too_short
from nas.search.plan.controller import ControllerPart
from nas.search.plan.finals import Finals
from nas.search.plan.hints import HintsPart
from nas.search.plan.lengths import Lengths
from nas.search.plan.plan import SearchPlan, Standing
from nas.search.plan.repeats import Repeats
from nas.search.plan.shared import BankLength, BankTrust
from nas.search.plan.threads import Threads
from nas.search.plan.time_left import TimeLeft
from nas.search.progress import Clock, Progress
from nas.search.replay import Replay
from nas.search.reused_results import ReusedResults
from nas.search.sources import older_curves
from nas.search_record import SearchRecord
from nas.store.encoding import storable
from nas.store.store import Store
from nas.store.transaction import Transaction
from search_spaces.architecture import Architecture
from search_spaces.errors import UnmetLimitsError
from workers.executor import Executor
from workers.job import Event, Failed, Finished, Job, Last, Paced, Reported
from workers.speed.speed import Speed

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
        store: the store where everything is recorded.
        record: the record of the search in it.
        description: the description of the search.
        controller: who proposes, not asked or told anything of this search yet.
        fidelity: how long trials train, new; None: in full.
        driver: this process, as the store knows it.
        callbacks: who is told what happens, as soon as the store has it; None: nobody.
        speed: how fast trials are, nothing measured yet; None: nobody knows, and whatever is proposed begins.
        hints: the scores of untrained networks that the controller may look at; None: none.
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
        speed: Speed | None = None,
        hints: NetworkScores | None = None,
    ) -> None:
        self.store, self.record, self.description = store, record, description
        self.planner, self.driver = Planner(controller, fidelity), driver
        self.callbacks = callbacks or Callbacks([])
        self.progress = Progress(
            record.name, description.budget, description.objectives[0].metric, Clock(record.elapsed_seconds)
        )
        self.history = TrialHistory(description, self.progress)
        self._heartbeat = 0.0  # when the store was last told that we live (monotonic)
        self._flights = Flights()
        self._lessons: Lessons | None = None
        if self.planner.inherited is not None:
            drawn = description.paths != "controller"
            networks = None if drawn else LessonNetworks.of(description, controller)
            self._lessons = Lessons(description, controller.space, store, record.id, networks)
        self._checkpoints = Checkpoints(description, record.name)
        self._weights = KeptWeights(description, store, record.id, self.history)
        self._streak = FailureStreak()
        self._budget_end = BudgetEnd(description.budget)
        self._time_left = TimeLeft(speed, self._budget_end, controller.space.plain)
        self._finals = Finals(description.budget, self._budget_end)
        self._of_controller = ControllerPart(description.budget)
        self._threads = Threads()
        self._repeats = Repeats(description, self._finals, self.history, self._weights)
        self._plan = SearchPlan(
            [
                self._threads, self._budget_end, Lengths(description.budget, self._time_left.dearness),
                BankLength(
                    self._lessons, controller.space, description.paths, self._time_left.dearness_of
                ),
                BankTrust(self._lessons, self._of_controller),
                self._of_controller, HintsPart(hints), self._repeats, self._finals,
            ],
            self.planner,
        )  # fmt: skip
        self._outcomes = Outcomes(
            self.planner, self.history, self._weights, self._checkpoints, self.callbacks, self._streak
        )
        self._launcher = Launcher(
            description, self.planner, self._flights, self._outcomes, self._checkpoints,
            ReusedResults(store, record, description) if description.reuse_results else None,
            self._time_left, self._lessons,
        )  # fmt: skip
        self._given: deque[Proposal] = deque()  # from the user or older results, to be begun first
        self._num_given = 0
        self._usage = UsageRecorder()
        self._too_short: str | None = None  # the budget, for an epoch of the first network: in words
        self._late: dict[int, str] = {}  # why trials were stopped that turned out to take too long
        self._begun: frozenset[int] = frozenset()  # what the executor had in training in the end

    @property
    def controller(self) -> Controller:
        """Who proposes."""
        return self.planner.controller

    # -- the beginning -------------------------------------------------------------------------------------

    def begin_with(self, architectures: Sequence[Architecture]) -> None:
        """Try these networks first; the plain one of the space is said to be that."""
        plain = self.controller.space.plain().id if architectures else None
        for architecture in architectures:
            origin = "plain" if architecture.id == plain else "given"
            self._given.append(self.planner.insert(architecture, origin))
        self._num_given = len(self._given)

    def start_from(self, starts: Sequence[Start]) -> None:
        """Let the controller begin from older results, before it is asked for anything.

        Those that compare are told; of the others, as of those that fit the space in part only, the best are
        tried first.
        """
        given = len(self._given)
        self._of_controller.starts = starts
        own = self.controller
        self.planner.recall(older_curves(starts, own.space, own.objectives, own.limits))
        for comparable in (True, False):
            results = [(start.decisions, start.metrics) for start in starts if start.comparable is comparable]
            if results:
                most = _GIVEN + given - len(self._given)
                self._given += warm_start(self.controller, results, propose=most, tell=comparable).proposals
        self._num_given = len(self._given)

    def restore(self, rebuild: Callable[[Trial], Architecture]) -> None:
        """Come to where the last driver of this search was; see `nas.search.replay`.

        Trials that were in flight are begun again, in their order and before anything new.

        Args:
            rebuild: returns the architecture of a trial from its decisions.

        Raises:
            SearchError: a trial's decisions now give another network: the space has changed.
        """
        replay = Replay(
            self.store, self.record, self.planner, self.history, self._plan, asked=self._num_given
        )
        state = replay.run(rebuild)
        self._finals.take()  # its leg is among those that were repeated
        self._repeats.take()
        self.history.reruns = self.store.reruns.of_search(self.record.id)
        if self._lessons is not None:
            self._lessons.restore()
        self._outcomes.step = state.step
        self._weights.trials = state.kept
        self._flights.interrupted, self._flights.paused = state.interrupted, state.paused
        self._given = deque(proposal for proposal in self._given if proposal.number not in state.numbers)
        self._time_left.recall(state.trained)
        if state.interrupted:
            with self.store.writing(self.record.id, self.driver) as writing:
                writing.beat(self.progress.elapsed)
                for flight in state.interrupted:
                    writing.update(flight.trial)

    # -- the turn ------------------------------------------------------------------------------------------

    def over(self) -> End | None:
        """Returns why nothing more is to be begun, if so."""
        self.progress.budget_end = self._budget_end.seconds
        spent = not self.controller.repeats and self.controller.exhausted
        end = end_of(
            self.description,
            self.history,
            self._streak,
            begun=self.progress.trials + self._flights.begun,
            rejected=self._launcher.rejected,
            late=self._launcher.late,
            exhausted=spent and not self._flights.interrupted,
        )
        if self._too_short is not None:
            return End(self._too_short, waits=False, stops=True)
        if end is None and self._finals.begun:
            return End(self._finals.over or "the best networks are trained to their end", waits=True)
        return end

    def done(self) -> End | None:
        """Returns why there is nothing left to do, not even for trials that have paused, if so."""
        end = self.over()
        if end is None or not end.waits:
            return end
        if self._flights.paused_before or (self._finals.begun and self._finals.over is None):
            return None
        return None if self.planner.next_leg(last=True) and not self._finals.begun else end

    def run(self, executor: Executor) -> End:
        """Turn until the search ends; returns why it did.

        Args:
            executor: where networks are trained; it is open.

        Raises:
            UnmetLimitsError: no network was found that respects the limits.
        """
        self.progress.clock = Clock(self.progress.elapsed, executor.clock)
        try:
            return self._turn_to_the_end(executor)
        finally:
            self._begun = executor.begun()

    def _turn_to_the_end(self, executor: Executor) -> End:
        events: list[Event] = []
        while True:
            end = self._turn(events, executor)
            self._show()
            if end is not None and end.fails:
                raise UnmetLimitsError(end.words)
            if end is not None and not (end.waits and self._flights.busy):
                return end
            # with room left for another proposal, results can wait: see the class
            room = end is None and self._has_room(executor)
            events = [] if room else executor.events(timeout=self._patience())

    def leave(self, status: str, reason: str) -> None:
        """Record how the search stands and that nobody drives it now.

        What is running is given up: it is trained again when the search goes on.

        Raises:
            SearchError: another process has taken the search over.
        """
        self._checkpoints.close()
        with self.store.writing(self.record.id, self.driver) as writing:
            self._give_up(writing, self._begun)
            said, took = storable(reason), self.progress.elapsed
            writing.search(status=status, reason=said, driver=None, elapsed_seconds=took)

    def _give_up(self, writing: Transaction, begun: frozenset[int]) -> None:
        """Record that nothing is in training any more; what had paused before stands as it was then."""
        for flight in self._flights.running.values():
            if flight.trial.told_step is not None:
                writing.update(flight.as_paused())
        writing.interrupt(begun)

    def _turn(self, events: list[Event], executor: Executor) -> End | None:
        with self.store.writing(self.record.id, self.driver) as writing:
            for event in events:
                if self._take(event, writing, executor):
                    self._fill(writing, executor)
            end = self._fill(writing, executor)
            if end is not None and not end.waits:
                self._give_up(writing, executor.begun())
                self._flights.running.clear()
                self._flights.repeats.clear()
                self._flights.teaching = 0
                self._launcher.jobs.clear()
            now = executor.clock()
            if self._usage.due(now) or (end is not None and not self._flights.busy):
                self._record_usage(executor, writing, now)
            if writing or time.monotonic() - self._heartbeat > HEARTBEAT_SECONDS:
                writing.beat(self.progress.elapsed)
                self._heartbeat = time.monotonic()
        self._weights.written()
        self._checkpoints.sweep()
        if (threads := self._threads.take()) is not None:
            executor.use_threads(threads)
        self._launcher.start(executor)
        return end

    def _record_usage(self, executor: Executor, writing: Transaction, now: float) -> None:
        cards = tuple(executor.cards())
        self._usage.write(executor.usage(), cards, writing, now, self.progress.elapsed)
        if cards and not self.progress.cards:
            self.progress.messages.append(f"cards: {told(cards)}")
        self.progress.cards = cards or self.progress.cards

    def _patience(self) -> float:
        ends_at = self._budget_end.seconds
        return _WAIT if ends_at is None else min(_WAIT, max(0.01, ends_at - self.progress.elapsed))

    def _show(self) -> None:
        self.progress.counts["running"] = self._flights.busy
        for storage in (self._checkpoints, self._weights):
            self.progress.messages += storage.messages
            storage.messages.clear()
        self.callbacks.tell_noted()
        self.callbacks.tell(lambda callback: callback.on_turn(self.progress))
        self.progress.messages.clear()

    # -- asking --------------------------------------------------------------------------------------------

    def _fill(self, writing: Transaction, executor: Executor) -> End | None:
        """Begin trials while there is room; returns why there are to be no more, if so."""
        for _ in range(_BATCH):
            if not self._flights.paused_before:  # what was begun comes first
                self._choose(writing, executor)
            end = self.over()
            if (end is not None and not end.waits) or not self._has_room(executor):
                return end
            again = self._flights.interrupted if end is None else self._flights.paused_before
            if again:
                self._begin_again(again[0], writing)
            elif (repeat := self._repeats.take()) is not None:
                self._repeat(*repeat)
            elif self._go_on(writing, ends=end is not None):
                pass
            elif end is None and (lesson := self._next_lesson()) is not None:
                self._launcher.teach(lesson)
            elif end is None and self._bank_is_open:
                continue  # the plan has one more thing to choose of it
            elif end is None:
                self._ask(writing)
            else:
                return end
        return None

    @property
    def _bank_is_open(self) -> bool:
        """Whether the next trial is to be scored with a bank that is not there yet."""
        inherited = self.planner.inherited
        if self._lessons is None or inherited is None:
            return False
        return inherited.trusted and inherited.ready and not self._lessons.frozen

    def _next_lesson(self) -> Job | None:
        """What trains the bank on, if that is due."""
        inherited = self.planner.inherited
        if self._lessons is None or inherited is None or not inherited.trusted:
            return None
        return self._lessons.next_job()

    def _has_room(self, executor: Executor) -> bool:
        """Whether one more trial may be in training: before the plan has chosen what it needs to, one is."""
        if self._lessons is not None and self._lessons.due and self._bank_is_open:
            return True  # several workers train a bank, each by a job of its own
        most = executor.parallelism if self._repeats.drains else executor.slots
        return self._flights.busy < (1 if self._plan.waits else max(1, most))

    def _choose(self, writing: Transaction, executor: Executor) -> None:
        """Let the plan choose what it is time for; it acts with what is recorded in this turn."""
        elapsed, seconds = self.progress.elapsed, self._budget_end.seconds
        left = math.inf if seconds is None else seconds - elapsed
        self._time_left.left = left - self._finals.reserve
        standing = Standing(
            elapsed=elapsed,
            left=left,
            workers=max(1, executor.parallelism),
            running=self._flights.running.values(),
            paused=self._flights.paused,
            ranking=self.history.ranking,
            planner=self.planner,
            trains=executor.trains,
            holds=executor.holds,
            seeded=executor.seeded,
            ended=self.history.ended,
            repeats=self._flights.repeats.values(),
            late=self._launcher.late >= LATE_IN_A_ROW,
            slots=executor.slots,
            epoch_of=self._time_left.epoch_of,
            paces=lambda seconds: executor.paces(self.controller.space.plain(), seconds),
        )
        if (drafted := self._plan.draft(standing)) is not None:
            part, value, reason = drafted
            choice = PlanChoice(part, value, reason, self._outcomes.next_step(), elapsed)
            writing.choose(len(self._plan.choices), choice)
            self._plan.take(choice)
            self.progress.messages.append(f"{part}: {reason}")

    def _go_on(self, writing: Transaction, *, ends: bool) -> bool:
        """Let a trial that has paused go on, if one should; returns whether.

        Args:
            writing: what is recorded in this turn.
            ends: whether nothing new is to begin.
        """
        if self._finals.begun:
            found = self._finals.take()
        else:
            found = self.planner.next_leg(last=ends and not self._flights.running)
            if found is None and ends and self.planner.inherited is not None:
                found = self.planner.inherited.next_of_the_best()
        if found is None:
            return False
        number, until = found
        self.planner.resume(number, until)
        paused = self._flights.paused.pop(number)
        leg = Leg(number, until, self._outcomes.next_step())
        self.history.resume()
        writing.begin_leg(leg)
        checkpoint = self._checkpoints.take(paused.trial)
        self._launcher.resume(paused.goes_on(leg), writing, checkpoint)
        return True

    def _repeat(self, number: int, run: int, epochs: int) -> None:
        """Train the network of a trial again, as the plan has just chosen."""
        trial = self.history.ended[number].trial
        architecture = self.controller.space.architecture(trial.decisions)
        self._launcher.repeat(trial, architecture, -len(self._plan.choices), run, epochs)

    def _begin_again(self, flight: Flight, writing: Transaction) -> None:
        """Begin what an earlier driver has left in flight."""
        self._flights.interrupted.remove(flight)
        if flight.trial.told_step is None:
            self._launcher.begin(flight, writing)
        else:
            self._launcher.resume(flight, writing)

    def _ask(self, writing: Transaction) -> None:
        """Begin one more proposal."""
        proposal = self._given.popleft() if self._given else self.planner.ask()
        flight = Flight.of(proposal, self._outcomes.next_step())
        writing.add(flight.trial)
        self._launcher.begin(flight, writing)

    # -- taking --------------------------------------------------------------------------------------------

    def _take(self, event: Event, writing: Transaction, executor: Executor) -> bool:
        """Take an event in; returns whether a job has ended with it."""
        if self._lessons is not None and self._lessons.is_of(event):
            return self._take_lesson(event, writing, executor)
        if event.number in self._flights.repeats:
            return isinstance(event, Last) and self._end_repeat(event, writing)
        if event.number not in self._flights.running:
            return False  # of a job that was given up
        if isinstance(event, Paced | Reported):
            flight = self._flights.running[event.number]
            paced = event.pace.seconds if isinstance(event, Paced) else None
            left = self._time_left.left
            if paced is not None and self._plan.waits and (epoch := VALIDATED * paced) > left:
                self._too_short = too_short(self.description.budget, left, epoch)
            if isinstance(event, Reported):
                flight = self._outcomes.epoch(event, flight, writing)
                self._flights.running[event.number] = flight
            if (words := self._launcher.turned_out_late(flight, paced)) is not None:
                executor.stop(event.number)
                self._late[event.number] = words
            return False
        flight, late = self._flights.land(event.number), self._late.pop(event.number, None)
        if event.log:
            writing.log(event.number, event.log)
        if isinstance(event, Failed) and event.reason == "stopped" and late is not None:
            self._outcomes.too_late(flight, late, writing, event.seconds)
        elif isinstance(event, Failed):
            self._launcher.failed(event.reason)
            self._outcomes.fail(event, flight, writing)
        else:
            self._launcher.trained(flight, event.ran)
            self._time_left.learn(flight, event)
            if (paused := self._outcomes.finish(event, flight, writing)) is not None:
                self._flights.paused[event.number] = paused
        for twin in self._flights.waited(flight.trial.architecture_id):
            if flight.trial.architecture_id in self.history.known:
                self._outcomes.repeat(twin, writing)
            elif late is not None:  # nothing is known of a network that was stopped
                self._outcomes.too_late(twin, late, writing)
        return True

    def _take_lesson(self, event: Event, writing: Transaction, executor: Executor) -> bool:
        """Take in how the bank is trained."""
        assert self._lessons is not None
        if (words := self._lessons.take(event, writing)) is not None:
            self.progress.messages.append(words)
        ended = isinstance(event, Last)
        self._flights.teaching -= ended
        if isinstance(event, Failed):
            for number in self._lessons.given_up:
                executor.stop(number)
        return ended

    def _end_repeat(self, event: Last, writing: Transaction) -> bool:
        """Take in how a network did that was trained again."""
        flight = self._flights.repeats.pop(event.number)
        rerun = flight.ended(event)
        writing.rerun(rerun)
        self.history.reruns.setdefault(rerun.number, []).append(rerun)
        if isinstance(event, Finished):
            self._weights.keep_repeat(rerun, flight.training, event.weights, writing)
        metric = self.description.objectives[0].metric
        came = f"{metric} {rerun.metrics[metric]:.4g}" if metric in rerun.metrics else rerun.failure
        self.progress.messages.append(f"trial {rerun.number} trained again: {came}")
        return True
