"""The trials of a search that are not over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controllers.base import Controller, Proposal
from controllers.planner import Planner
from nas.description import Description, training_seed
from nas.records import TRAINED, Leg, Trial
from workers.job import Checkpoint, Job


class Flights:
    """The trials of a search that are not over: in training, paused, cut off, or waiting for their twin.

    Attributes:
        running: those in training, by number.
        paused: those that have paused, by number.
        interrupted: those of earlier drivers that are to be begun again, in their order.
    """

    def __init__(self) -> None:
        self.running: dict[int, Flight] = {}
        self.paused: dict[int, Flight] = {}
        self.interrupted: list[Flight] = []
        self._ids: set[str] = set()  # of the architectures that are running
        self._waiting: dict[str, list[tuple[Trial, Proposal]]] = {}  # repeats of what is being trained

    @property
    def begun(self) -> int:
        """How many count as begun, beside those that are over or have paused."""
        return len(self.running) + len(self.paused_before) + sum(map(len, self._waiting.values()))

    @property
    def paused_before(self) -> list[Flight]:
        """Trials that were interrupted after a pause: they were begun, whatever the budget says now."""
        return [flight for flight in self.interrupted if flight.trial.told_step is not None]

    def run(self, flight: Flight) -> None:
        """A trial is in training from now on."""
        self.running[flight.trial.number] = flight
        self._ids.add(flight.trial.architecture_id)

    def land(self, number: int) -> Flight:
        """A trial is in training no more."""
        flight = self.running.pop(number)
        self._ids.discard(flight.trial.architecture_id)
        return flight

    def wait(self, trial: Trial, proposal: Proposal) -> bool:
        """Let a trial wait for the same network if that is in training; gives whether it is."""
        if trial.architecture_id not in self._ids:
            return False
        self._waiting.setdefault(trial.architecture_id, []).append((trial, proposal))
        return True

    def waited(self, architecture_id: str) -> Iterable[tuple[Trial, Proposal]]:
        """Those that have waited for a network that is over now."""
        return self._waiting.pop(architecture_id, [])


def job_for(
    description: Description,
    flight: Flight,
    epochs: int | None,
    folder: str | None,
    checkpoint: Checkpoint | None = None,
    initial: bytes | None = None,
) -> Job:
    """What a worker is to do for a trial.

    Args:
        description: of the search.
        flight: the trial, and the leg that is to be trained.
        epochs: of a trial that is never stopped; None: its recipe's.
        folder: where its checkpoints lie.
        checkpoint: from which it goes on.
        initial: another network's weights, from which it begins.
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
        initial=initial,
    )


@dataclass(frozen=True)
class Flight:
    """A trial that is in training; the leg of it, where trials may pause."""

    trial: Trial
    proposal: Proposal
    leg: Leg | None = None

    @property
    def asked_step(self) -> int:
        """When it, or its leg, was begun."""
        return self.trial.asked_step if self.leg is None else self.leg.asked_step


def tell(planner: Planner, flight: Flight) -> None:
    """Tell how a trial ended, or paused after a leg, as it is recorded."""
    trial, leg = flight.trial, flight.leg
    values = values_for(planner.controller, trial)
    if trial.status == "paused" and leg is not None:
        planner.pause(flight.proposal, leg.until, values)
    else:
        planner.end(flight.proposal, values, trained=trial.status in TRAINED)


def values_for(controller: Controller, trial: Trial) -> dict[str, float] | None:
    """What a controller is told of a trial that is over: its values, or None for a failure.

    A network that was turned down for its costs has no values of the objectives. A controller that does not
    know the limit which it broke can only hear that it failed.
    """
    metrics = dict(trial.metrics)
    if trial.status == "failed" or not metrics:
        return None
    if all(objective.metric in metrics for objective in controller.objectives):
        return metrics
    limits = controller.limits
    broken = any(limit.violation(metrics[limit.metric]) > 0 for limit in limits if limit.metric in metrics)
    return metrics if broken else None
