"""How the trials of a search end: recorded, ranked, and told to the controller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controllers.base import Proposal
from controllers.planner import Planner
from nas.records import TRAINED, EpochReport, Leg, Trial
from nas.search.callbacks import Callbacks
from nas.search.checkpoints import Checkpoints
from nas.search.flights import Flight, tell
from nas.search.reused_results import REUSED, Answer
from nas.search.standings import Standing
from nas.store.transaction import Writing
from workers.job import Failed, Finished, HeldWeights, Reported


class Outcomes:
    """Takes in what came of trials.

    Args:
        planner: is told.
        standing: counts and ranks them, and keeps the weights of the best.
        checkpoints: theirs are kept or removed.
        callbacks: are told as soon as the store has it.

    Attributes:
        step: calls of the controller so far.
    """

    def __init__(
        self, planner: Planner, standing: Standing, checkpoints: Checkpoints, callbacks: Callbacks
    ) -> None:
        self.planner, self.standing = planner, standing
        self.checkpoints, self.callbacks = checkpoints, callbacks
        self.step = 0

    def next_step(self) -> int:
        """The number of one more call of the controller."""
        self.step += 1
        return self.step

    def epoch(self, event: Reported, trial: Trial, writing: Writing) -> Trial:
        """An epoch of a trial; gives the trial. It may have been reported before: trained again, for want of
        a checkpoint."""
        came = event.report
        if came.epoch <= (trial.epochs or 0):
            return trial
        report = EpochReport(came.epoch, came.metrics, came.train_loss, came.seconds, came.samples_per_second)
        return self._report(trial, report, writing)

    def finish(self, event: Finished, flight: Flight, writing: Writing) -> Flight | None:
        """A training is over, or has paused: then gives what has paused."""
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
            self.checkpoints.remove(trial)
        else:
            self.checkpoints.keep(ended, paused)
        self.standing.keep(ended, event.weights, writing)
        return None if paused is None else Flight(ended, proposal, flight.leg)

    def fail(self, event: Failed, flight: Flight, writing: Writing) -> None:
        """A training has failed."""
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
        self.checkpoints.remove(trial)
        self.standing.drop(trial.number, writing)
        said = f"{trial.architecture_id} failed ({event.reason}): {event.message}"
        self.standing.progress.messages.append(said)

    def not_built(self, trial: Trial, proposal: Proposal, message: str, writing: Writing) -> None:
        """A network cannot be built, as its costs were to be counted."""
        self._end(trial, proposal, writing, "failed", reason="build", message=message)

    def turn_down(self, trial: Trial, proposal: Proposal, broken: str, writing: Writing) -> None:
        """A network breaks a limit: it is not trained."""
        self._end(trial, proposal, writing, "infeasible", reason="limit", message=broken)

    def repeat(self, trial: Trial, proposal: Proposal, writing: Writing) -> None:
        """Answer a network that was tried before from the record."""
        twin = self.standing.known[trial.architecture_id]
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

    def take_over(self, trial: Trial, proposal: Proposal, answer: Answer, writing: Writing) -> None:
        """Answer a network from the record of another search."""
        for report in answer.reports:
            if report.epoch > (trial.epochs or 0):  # else it was trained in part, before an interruption
                trial = self._report(trial, report, writing)
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

    def _report(self, trial: Trial, report: EpochReport, writing: Writing) -> Trial:
        trial = replace(trial, epochs=report.epoch)
        writing.report(trial.number, report)
        self.callbacks.note(lambda callback: callback.on_report(trial, report))
        return trial

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
        ended = replace(trial, status=status, told_step=self.next_step(), **values)
        ended = replace(ended, score=self.standing.score(ended))
        writing.update(ended)
        self.standing.count(ended)
        first = status in TRAINED and trial.told_step is None and ended.reason != REUSED
        self.standing.progress.trials_here += first
        if leg is not None:
            metrics = None if status == "failed" else ended.metrics
            leg = replace(leg, told_step=ended.told_step, metrics=metrics)
            writing.end_leg(leg)
        tell(self.planner, Flight(ended, proposal, leg))
        self.callbacks.note(lambda callback: callback.on_trial_end(ended))
        return ended
