"""The trials of a search that are not over, each as a flight, and how a flight ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controllers.base import Controller, Proposal
from controllers.planner import Planner
from nas.description import Description, training_seed
from nas.records import LATE, TRAINED, Leg, Status, Trial
from nas.search.reruns import RerunFlight
from workers.job import Checkpoint, Job, Parent, SharedWeights

VALIDATED = 1.15
"""How many times as long as its training an epoch takes with its validation."""


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ends or pauses. What is None stays as the trial has it.

    Attributes:
        status: the status of the trial from now on.
        reason: the word for why it failed, was turned down or was not trained.
        message: a line about that for people.
        traceback: the end of the traceback of the network's own exception.
        metrics: the metrics on the validation split, and the costs, by name.
        test_metrics: the metrics on the test split, by name.
        epochs: the number of epochs that it was trained for.
        seconds: the seconds that it has taken, earlier attempts and legs included.
        ran: what ran (`workers.acceleration.Ran`); empty where that is unknown.
    """

    status: Status
    reason: str | None = None
    message: str | None = None
    traceback: str | None = None
    metrics: Mapping[str, float] | None = None
    test_metrics: Mapping[str, float] | None = None
    epochs: int | None = None
    seconds: float | None = None
    ran: Mapping[str, str] | None = None

    def of(self, trial: Trial, step: int) -> Trial:
        """Returns the trial as it is after this end, told to the controller at a step."""
        changes = {name: value for name, value in vars(self).items() if value is not None}
        return replace(trial, told_step=step, **changes)


@dataclass(frozen=True)
class Flight:
    """A trial on its way from the proposal to its end.

    Attributes:
        trial: the trial as the store has it.
        proposal: the proposal of the controller that it tries.
        leg: the leg that is being trained; None where trials do not pause, and before the first leg.
        pace: the seconds of the training of its fastest epoch so far; None: no epoch was reported here.
        trained: the seconds of the training of the epochs that its job has reported.
        reported: their number.
        latest: the last two epochs that were reported, with the metrics then.
        paused_at: the epochs at which it had paused before that leg.
    """

    trial: Trial
    proposal: Proposal
    leg: Leg | None = None
    pace: float | None = None
    trained: float = 0.0
    reported: int = 0
    latest: tuple[tuple[int, Mapping[str, float]], ...] = ()
    paused_at: int = 0

    @staticmethod
    def of(proposal: Proposal, step: int) -> Flight:
        """Returns the flight of a proposal that the controller was asked for at a step."""
        architecture = proposal.architecture
        trial = Trial(
            number=proposal.number,
            architecture_id=architecture.id,
            decisions=dict(architecture.decisions),
            status="running",
            origin=proposal.origin,
            parents=proposal.parents,
            asked_step=step,
        )
        return Flight(trial, proposal)

    @property
    def number(self) -> int:
        """The number of the trial."""
        return self.trial.number

    @property
    def asked_step(self) -> int:
        """The step at which the trial, or its leg, was begun."""
        return self.trial.asked_step if self.leg is None else self.leg.asked_step

    def costs_beside(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Returns what was known of the trial before its training and is not among its metrics, by name."""
        return {name: value for name, value in self.trial.metrics.items() if name not in metrics}

    @property
    def epoch_seconds(self) -> float | None:
        """The seconds that one more epoch takes, validation included; None: nobody has seen one.

        The first epoch of a process takes longer than all others: the fastest is what counts.
        """
        if self.pace is not None:
            return VALIDATED * self.pace
        trial = self.trial
        return trial.seconds / trial.epochs if trial.seconds and trial.epochs else None

    @property
    def before(self) -> Mapping[str, float] | None:
        """The metrics one epoch before the end of its leg; None: they are not known."""
        return None if self.leg is None else dict(self.latest).get(self.leg.until - 1)

    def after(self, epoch: int, seconds: float, metrics: Mapping[str, float]) -> Flight:
        """Returns the same flight after one more epoch, whose training took so many seconds."""
        pace = seconds if self.pace is None else min(self.pace, seconds)
        return replace(
            self,
            trial=replace(self.trial, epochs=epoch),
            pace=pace,
            trained=self.trained + seconds,
            reported=self.reported + 1,
            latest=(*self.latest[-1:], (epoch, metrics)),
        )

    def goes_on(self, leg: Leg) -> Flight:
        """Returns the same flight on another leg, by a job of its own."""
        return replace(self, leg=leg, trained=0.0, reported=0, paused_at=self.trial.epochs or 0)

    def as_paused(self) -> Trial:
        """Returns the trial as it had paused before the leg that is being trained."""
        return replace(self.trial, status="paused", epochs=self.paused_at)

    def with_trial(self, trial: Trial) -> Flight:
        """Returns the same flight with the trial as it is now."""
        return replace(self, trial=trial)


class Flights:
    """The trials of a search that are not over: in training, paused, cut off, or waiting for their twin.

    Attributes:
        running: the flights in training, by number.
        paused: the flights that have paused, by number.
        interrupted: the flights of earlier drivers that are to be begun again, or were queued, in their
            order.
        repeats: the networks in training again with other seeds, by the numbers of their jobs; these are
            below 0, where no trial's is.
        teaching: the number of workers that train a bank of shared weights.
    """

    def __init__(self) -> None:
        self.running: dict[int, Flight] = {}
        self.paused: dict[int, Flight] = {}
        self.interrupted: list[Flight] = []
        self.repeats: dict[int, RerunFlight] = {}
        self.teaching = 0
        self._ids: set[str] = set()  # of the architectures that are running
        self._waiting: dict[str, list[Flight]] = {}  # repeats of what is being trained

    @property
    def busy(self) -> int:
        """The number of trainings, repeats and those of a bank included."""
        return len(self.running) + len(self.repeats) + self.teaching

    @property
    def begun(self) -> int:
        """The number of those that count as begun, beside those that are over or have paused."""
        return len(self.running) + len(self.paused_before) + sum(map(len, self._waiting.values()))

    @property
    def paused_before(self) -> list[Flight]:
        """Flights that were interrupted after a pause: they were begun, whatever the budget says now."""
        return [flight for flight in self.interrupted if flight.trial.told_step is not None]

    def run(self, flight: Flight) -> None:
        """Take in a flight that is in training from now on."""
        self.running[flight.number] = flight
        self._ids.add(flight.trial.architecture_id)

    def land(self, number: int) -> Flight:
        """Returns a flight that is in training no more."""
        flight = self.running.pop(number)
        self._ids.discard(flight.trial.architecture_id)
        return flight

    def wait(self, flight: Flight) -> bool:
        """Let a flight wait for the same network if that is in training; returns whether it is."""
        if flight.trial.architecture_id not in self._ids:
            return False
        self._waiting.setdefault(flight.trial.architecture_id, []).append(flight)
        return True

    def waited(self, architecture_id: str) -> list[Flight]:
        """Returns the flights that have waited for a network that is over now."""
        return self._waiting.pop(architecture_id, [])


def job_for(
    description: Description,
    flight: Flight,
    epochs: int | None,
    folder: str | None,
    checkpoint: Checkpoint | None = None,
    parent: Parent | None = None,
    bank: SharedWeights | None = None,
) -> Job:
    """Returns what a worker is to do for a flight.

    Args:
        description: the description of the search.
        flight: the trial, and the leg that is to be trained.
        epochs: the epochs of a trial that is never stopped; None: those of its recipe.
        folder: the folder of its checkpoints.
        checkpoint: the checkpoint that it goes on from.
        parent: another network that it begins from.
        bank: the bank that it takes its weights from.
    """
    budget, trial = description.budget, flight.trial
    seconds = budget.trial_seconds
    return Job(
        number=trial.number,
        architecture=flight.proposal.architecture,
        seed=training_seed(description.seed, trial.architecture_id),
        epochs=epochs or budget.epochs,
        seconds=None if seconds is None else max(1e-3, seconds - (trial.seconds or 0.0)),
        until=None if flight.leg is None else flight.leg.until,
        checkpoint=checkpoint,
        folder=folder,
        save_seconds=description.checkpoint_seconds,
        memory=budget.trial_memory,
        silence=budget.trial_silence,
        parent=parent,
        bank=bank,
        standardise=description.standardise,
        scores=description.scores,
        bounds=description.bounds,
    )


def tell(planner: Planner, flight: Flight) -> None:
    """Tell a planner how a flight ended, or paused after a leg, as it is recorded."""
    trial, leg = flight.trial, flight.leg
    if trial.reason == LATE:
        planner.set_aside(flight.proposal)
        return
    values = values_for(planner.controller, trial)
    if trial.status == "paused" and leg is not None:
        planner.pause(flight.proposal, leg.until, values, flight.before)
    else:
        planner.end(flight.proposal, values, trained=trial.status in TRAINED)


def values_for(controller: Controller, trial: Trial) -> dict[str, float] | None:
    """Returns what a controller is told of a trial that is over: its values, or None for a failure.

    A network that was turned down for its costs has no values of the objectives. A controller that does not
    know the limit which it broke can only hear that it failed; so does one that needs a value which was not
    measured, such as the memory of a training by an executor that does not look at it.
    """
    metrics = dict(trial.metrics)
    if trial.status == "failed" or not metrics:
        return None
    limits = controller.limits
    needed = [one.metric for one in controller.objectives] + [limit.metric for limit in limits]
    if all(metric in metrics for metric in needed):
        return metrics
    broken = any(limit.violation(metrics[limit.metric]) > 0 for limit in limits if limit.metric in metrics)
    return metrics if broken else None
