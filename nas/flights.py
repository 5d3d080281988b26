"""The trials of a search that are not over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from controllers.base import Proposal
from nas.description import Description
from nas.flight import Flight
from nas.records import Trial
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


def training_seed(seed: int, architecture_id: str) -> int:
    """The seed of a training: the same whenever and wherever this network is trained in this search."""
    return int.from_bytes(hashlib.sha256(f"{seed} {architecture_id}".encode()).digest()[:4])
