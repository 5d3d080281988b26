"""How the trials of a search end: recorded, ranked, and told to the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controllers.planner import Planner
from nas.description import PEAK_MEMORY
from nas.ranking import Ranked
from nas.records import LATE, LIMIT, TRAINED, EpochReport
from nas.search.callbacks import Callbacks
from nas.search.checkpoints import Checkpoints
from nas.search.end import FailureStreak
from nas.search.flights import Flight, TrialEnd, tell
from nas.search.history import TrialHistory
from nas.search.kept_weights import KeptWeights
from nas.search.reused_results import REUSED, ReusedResult
from nas.store.transaction import Transaction
from search_spaces.errors import BuildError
from workers.failures import message_of, traceback_of
from workers.job import Failed, Finished, HeldWeights, Reported


class Outcomes:
    """Takes in what came of flights.

    Args:
        planner: who is told.
        history: what counts and scores them.
        weights: what keeps the weights of the best.
        checkpoints: what keeps or removes their checkpoints.
        callbacks: who is told as soon as the store has it.
        streak: what counts failures in a row.

    Attributes:
        step: the number of calls of the controller so far.
    """

    def __init__(
        self,
        planner: Planner,
        history: TrialHistory,
        weights: KeptWeights,
        checkpoints: Checkpoints,
        callbacks: Callbacks,
        streak: FailureStreak,
    ) -> None:
        self.planner, self.history, self.weights = planner, history, weights
        self.checkpoints, self.callbacks, self.streak = checkpoints, callbacks, streak
        self.step = 0
        self._told: set[tuple[str, str]] = set()  # where networks were trained, as far as that was said

    def next_step(self) -> int:
        """Returns the number of one more call of the controller."""
        self.step += 1
        return self.step

    def epoch(self, event: Reported, flight: Flight, writing: Transaction) -> Flight:
        """Take in an epoch; returns the flight after it.

        It may have been reported before: trained again, for want of a checkpoint.
        """
        came = event.report
        if came.epoch <= (flight.trial.epochs or 0):
            return flight
        report = EpochReport(came.epoch, came.metrics, came.train_loss, came.seconds, came.samples_per_second)
        return self._report(flight, report, writing)

    def finish(self, event: Finished, flight: Flight, writing: Transaction) -> Flight | None:
        """Take in that a training is over, or has paused; returns the flight if it has paused."""
        trial, checkpoint = flight.trial, event.checkpoint
        scored = checkpoint is not None and checkpoint.epoch == 0  # with inherited weights
        costs = dict(event.costs)
        if PEAK_MEMORY in costs:  # the most of all its legs
            costs[PEAK_MEMORY] = max(costs[PEAK_MEMORY], trial.metrics.get(PEAK_MEMORY, 0.0))
        end = TrialEnd(
            "complete" if checkpoint is None else "paused",
            metrics={**event.metrics, **flight.costs_beside(event.metrics), **costs},
            test_metrics=event.test_metrics,
            seconds=(trial.seconds or 0.0) + event.seconds,
            ran=_together(trial.ran, event.ran),
            epochs=0 if scored else None,
        )
        self._tell_where(event.ran)
        ended, judged = self._end(flight, end, writing)
        if scored:
            return ended
        if checkpoint is None:
            self.checkpoints.remove(trial)
        else:
            self.checkpoints.keep(judged, checkpoint)
        self.weights.keep(judged, event.weights, writing)
        return None if checkpoint is None else ended

    def fail(self, event: Failed, flight: Flight, writing: Transaction) -> None:
        """Take in that a training has failed, or was not begun for a score beyond a limit."""
        trial = flight.trial
        if event.reason == LIMIT:
            metrics = {**trial.metrics, **event.costs}
            end = TrialEnd("infeasible", LIMIT, event.message, metrics=metrics, seconds=event.seconds)
            self._end(flight, end, writing)
            return
        end = TrialEnd(
            "failed",
            reason=event.reason,
            message=event.message,
            traceback=event.traceback or None,
            seconds=(trial.seconds or 0.0) + event.seconds,
        )
        self._end(flight, end, writing)
        self.checkpoints.remove(trial)
        self.weights.drop(trial.number, writing)
        said = f"{trial.architecture_id} failed ({event.reason}): {event.message}"
        self.history.progress.messages.append(said)

    def not_built(self, flight: Flight, error: BuildError, writing: Transaction) -> None:
        """End a flight whose network cannot be built, as its costs were to be counted."""
        end = TrialEnd("failed", "build", message_of(error), traceback_of(error) or None)
        self._end(flight, end, writing)

    def turn_down(self, flight: Flight, broken: str, writing: Transaction) -> None:
        """End a flight whose network breaks a limit: it is not trained."""
        self._end(flight, TrialEnd("infeasible", LIMIT, broken), writing)

    def too_late(
        self, flight: Flight, words: str, writing: Transaction, seconds: float | None = None
    ) -> None:
        """End a flight whose network would not come to its end in time, or has turned out to take too long.

        Args:
            flight: the flight.
            words: the reason for people.
            writing: what is recorded in this turn.
            seconds: the seconds that it was trained for; None: it was not begun.
        """
        took = None if seconds is None else (flight.trial.seconds or 0.0) + seconds
        ended, _ = self._end(flight, TrialEnd("infeasible", LATE, words, seconds=took), writing)
        if seconds is not None:
            self.checkpoints.remove(ended.trial)
            self.history.progress.messages.append(f"{ended.trial.architecture_id} was stopped: {words}")

    def repeat(self, flight: Flight, writing: Transaction) -> None:
        """End a flight whose network was tried before, with the result of that.

        One that was turned down is turned down again: it is no trial, however often it is proposed.
        """
        twin = self.history.known[flight.trial.architecture_id]
        message = f"the same network as trial {twin.number}"
        if twin.status == "infeasible":
            flight = flight.with_trial(replace(flight.trial, metrics=twin.metrics))
            self.turn_down(flight, f"{message}: {twin.message}", writing)
            return
        end = TrialEnd(
            "repeated",
            twin.reason,
            message,
            metrics=twin.metrics,
            test_metrics=twin.test_metrics,
            ran=twin.ran,
        )
        self._end(flight, end, writing)

    def reuse(self, flight: Flight, result: ReusedResult, writing: Transaction) -> None:
        """End a flight with the result that another search has of its network."""
        for report in result.reports:
            if report.epoch > (flight.trial.epochs or 0):  # else trained in part, before an interruption
                flight = self._report(flight, report, writing)
        found = result.trial
        end = TrialEnd(
            "complete",
            REUSED,
            f"the result of trial {found.number} of search {result.search}"
            + f", trained again ({found.training})" * (found.training > 0),
            metrics={**found.metrics, **flight.costs_beside(found.metrics)},
            test_metrics=found.test_metrics,
            epochs=found.epochs,
            ran=found.ran,
        )
        _, judged = self._end(flight, end, writing)
        if result.weights is not None:
            self.weights.keep(judged, HeldWeights(result.weights), writing)

    def _tell_where(self, ran: Mapping[str, str]) -> None:
        """Say on what networks are trained: once of each device and precision that occurs."""
        where = ran.get("device", ""), ran.get("precision", "")
        if ran and where not in self._told:
            self._told.add(where)
            self.history.progress.messages.append(f"trains on {', '.join(where)}")

    def _report(self, flight: Flight, report: EpochReport, writing: Transaction) -> Flight:
        flight = flight.after(report.epoch, report.seconds, report.metrics)
        writing.report(flight.number, report)
        self.callbacks.note(lambda callback: callback.on_report(flight.trial, report))
        return flight

    def _end(self, flight: Flight, end: TrialEnd, writing: Transaction) -> tuple[Flight, Ranked]:
        """Record how a flight ended or paused, and tell the controller.

        Returns:
            The flight as it is then, and how its trial was judged: once, for all who need it.
        """
        trial = end.of(flight.trial, self.next_step())
        trial = replace(trial, score=self.history.score(trial))
        judged = self.history.ranking.judge(trial)
        writing.update(trial, judged.outcome)
        self.history.count(judged)
        self.streak.take(trial)
        trained = trial.status in TRAINED
        if trained and flight.trial.told_step is None and trial.reason != REUSED:
            self.history.progress.trials_here += 1
        leg = flight.leg if trained or trial.reason in (LATE, LIMIT) else None
        if leg is not None:
            metrics = None if trial.status == "failed" else trial.metrics
            leg = replace(leg, told_step=trial.told_step, metrics=metrics)
            writing.end_leg(leg)
        ended = replace(flight, trial=trial, leg=leg)
        tell(self.planner, ended)
        self.callbacks.note(lambda callback: callback.on_trial_end(trial))
        return ended, judged


def _together(before: Mapping[str, str], now: Mapping[str, str]) -> Mapping[str, str]:
    """Returns what ran in a training of which parts may have run elsewhere: then both are named."""
    found = dict(now)
    for name, was in before.items():
        value = now.get(name, was)
        found[name] = was if value in (was, *was.split(", ")) else f"{was}, {value}"
    return found
