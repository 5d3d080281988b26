"""What passes between the driver and a worker on Ray: orders there; news and weights back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import ray

from search_spaces.errors import BuildError, ExecutorError
from workers.job import Checkpoint, Event, HeldWeights, Job, SharedWeights, Weights


@dataclass(frozen=True)
class RemoteWeights(Weights):
    """Weights in Ray's object store, on the node that trained them, until they are read."""

    reference: Any

    def read(self) -> bytes:
        try:
            data: bytes = ray.get(self.reference)
        except Exception as error:
            raise ExecutorError(
                f"these weights are gone (read them before the pool closes): {type(error).__name__}: {error}"
            ) from error
        return data


@dataclass(frozen=True)
class Order:
    """A job on its way to a worker.

    Attributes:
        ticket: the name of this attempt at the job; tickets ascend.
        job: the job, pickled by the driver, so that one that cannot be read here is its own failure and no
            other's.
        state: Ray's reference to the checkpoint's state, where it is kept so.
        bank: Ray's reference to the bank of the job, which all its workers share.
        share: the share of its card's memory that this attempt may use; None: the worker's.
    """

    ticket: int
    job: bytes
    state: Any = None
    bank: Any = None
    share: float | None = None

    @staticmethod
    def of(ticket: int, job: Job, share: float | None = None) -> Order:
        """Makes an order for a job.

        Raises:
            BuildError: the job cannot be pickled.
        """
        state = bank = None
        if job.bank is not None:
            bank = _sent(job.bank)
            job = dataclasses.replace(job, bank=SharedWeights(job.bank.id, HeldWeights(b"")))
        if job.checkpoint is not None and isinstance(job.checkpoint.state, RemoteWeights):
            # a reference goes beside what is pickled here, so that Ray keeps count of it
            state = job.checkpoint.state.reference
            job = dataclasses.replace(job, checkpoint=Checkpoint(job.checkpoint.epoch, HeldWeights(b"")))
        try:
            return Order(ticket, ray.cloudpickle.dumps(job), state, bank, share)
        except Exception as error:  # whatever a user's module raises then
            raise BuildError(
                f"the architecture cannot be sent to a worker: {type(error).__name__}: {error}"
            ) from error

    def read(self) -> Job:
        """Returns the job, on the worker. Raises whatever it raises when it is unpickled."""
        job: Job = ray.cloudpickle.loads(self.job)
        if job.bank is not None and self.bank is not None:
            job = dataclasses.replace(job, bank=SharedWeights(job.bank.id, RemoteWeights(self.bank)))
        if job.checkpoint is None or self.state is None:
            return job
        return dataclasses.replace(
            job, checkpoint=Checkpoint(job.checkpoint.epoch, RemoteWeights(self.state))
        )


_banks: dict[str, Any] = {}
"""The bank that was sent last, by its id: a search has one at a time, for hundreds of jobs."""


def forget_banks() -> None:
    """Lets go of what was sent: it is of a Ray that may end now."""
    _banks.clear()


def _sent(bank: SharedWeights) -> Any:
    """Returns Ray's reference to a bank."""
    if bank.id not in _banks:
        _banks.clear()
        _banks[bank.id] = ray.put(bank.weights.read())
    return _banks[bank.id]


@dataclass(frozen=True)
class News:
    """What happened in a trial, on its way to the driver.

    Attributes:
        ticket: the ticket of the order.
        event: what happened; its weights and state are empty where they are `held`.
        held: which of ``weights`` and ``state`` wait on the worker for `Worker.take`.
    """

    ticket: int
    event: Event
    held: tuple[str, ...] = ()
