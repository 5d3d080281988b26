"""What goes to a worker and what comes back: a job there; its reports and its end back, as events."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from search_spaces.arguments import Count, NotNegative, Positive, Seed, Whole, checked
from search_spaces.errors import ExecutorError

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.space import Space


class Weights(ABC):
    """Trained weights, wherever they are kept."""

    @abstractmethod
    def read(self) -> bytes:
        """Returns the weights in the safetensors format, named as in the network's ``state_dict``.

        Raises:
            ExecutorError: the weights are no longer there (a pool's go with the pool, or with their node).
        """


@dataclass(frozen=True)
class HeldWeights(Weights):
    """Weights in this process."""

    data: bytes

    def read(self) -> bytes:
        return self.data


@dataclass(frozen=True)
class Checkpoint:
    """Where a trial paused: all that any worker needs to go on (see `workers.trial.checkpoint_format`).

    Attributes:
        epoch: the last epoch that was trained.
        state: the weights and the optimizer's state, wherever they are kept.
    """

    epoch: int
    state: Weights


@dataclass(frozen=True)
class Parent:
    """A network that another one of its space begins from.

    Attributes:
        architecture: its architecture, as the space has filled it.
        weights: its weights, in the safetensors format.
    """

    architecture: Architecture
    weights: bytes


@dataclass(frozen=True)
class SharedWeights:
    """A bank of shared weights (see `workers.bank`), as it stands at some moment.

    Attributes:
        id: the name of that moment: under one name the numbers are the same.
        weights: the bank, in the safetensors format.
    """

    id: str
    weights: Weights

    @staticmethod
    def of(data: bytes) -> SharedWeights:
        """Returns a bank that is in this process, named by what it is."""
        return SharedWeights(hashlib.sha256(data).hexdigest()[:16], HeldWeights(data))


@dataclass(frozen=True)
class Lesson:
    """Some epochs of the training of a bank of shared weights.

    Attributes:
        space: the space whose networks share it.
        sampling: how the networks are drawn that train it, and
        networks: how many of them at the most (see `workers.bank.paths.paths`).
        epochs: the epochs of the whole training.
        begun: how many of them were trained already.
        until: the epoch after which this part ends.
        given: the decisions of the networks that train it in place of drawn ones, one in each step.
        new: how many of these, the last ones, did not train it before. As many of them do as there is time
            for, the first ones; they are scored with it in the end, unless that is the end of all training.
        worker: which of several workers this is for, from 0: each has batches and an order of its own.
        workers: the number of workers whose banks are averaged after it (`workers.bank.average`).
    """

    space: Space
    sampling: Literal["uniform", "fair", "sandwich", "controller"]
    networks: int
    epochs: int
    begun: int
    until: int
    given: tuple[Mapping[str, Any], ...] = ()
    new: int = 0
    worker: int = 0
    workers: int = 1


@checked(ExecutorError)
@dataclass(frozen=True)
class Job:
    """A trial to run: train this architecture, or go on with its training up to a pause.

    The same architecture, seed and epochs lead to the same metrics on every executor with the same number of
    threads and processes and the same kind of device, however often the training pauses and wherever it goes
    on.

    Attributes:
        number: the name of the job in its events, unique among the jobs in flight.
        architecture: the network, and its recipe if it has one.
        seed: the seed of the initial weights and of everything random in the training.
        epochs: the epochs to train in all; None: the recipe's. A job that goes on from a checkpoint has as
            many as the job before it; or fewer, to finish, or more, if their number makes no difference up to
            the checkpoint (`workers.recipe.Recipe.stable_epochs`).
        seconds: the time limit of the job; a trial that passes it fails with ``timeout``.
        until: the epoch after which to pause. The learning rate's schedule spans all ``epochs`` all the same.
            0: the network is not trained at all, but scored with the weights of its bank.
        checkpoint: a checkpoint of the same trial, to go on from. Where it is lost, the trial begins again:
            the results are the same, only later.
        folder: the fsspec URI of this trial's own checkpoints (``/shared/x``, ``s3://bucket/x``): a trial
            that was lost goes on from the latest one that is whole. A path is the worker's. The caller
            removes it in the end (`workers.trial.checkpoint_folder.CheckpointFolder`).
        save_seconds: the seconds between checkpoints in the folder; they are saved when an epoch ends, and at
            a pause.
        memory: the bytes that the worker's process may hold (resident, without what it shares with others)
            while the trial runs; more fails it with ``out_of_memory``.
        silence: the seconds without a report after which the trial fails with ``silent``.
        parent: another network of the same space, to begin from its weights where they mean the same. The
            metrics depend on it, too; `Finished.costs` has ``inherited_tensors``, how many of them got
            something.
        bank: a bank of shared weights: the network takes its own from there, to be scored with them
            (``until`` is 0), or to be trained on. With a lesson: what it goes on from.
        lesson: the job is no trial: it trains a bank, by the recipe of the architecture, which is that of the
            plain network. Its ``Finished.weights`` are the bank.
        standardise: whether the network standardises inputs and targets where its recipe says so; False: not
            at all, as when searches of older versions began.
        scores: the names of the zero-cost scores to take before the training, if it does not go on from a
            checkpoint (see `workers.zero_cost`); they are among the costs in the end. One that is not defined
            for the network, or is not finite, is left out, and the log says why.
        bounds: the least and the most that scores may be, by name; None for no end. The trial of a network
            beyond one, or without that score, fails with ``limit`` before it is trained.
        round_trip: whether a network that was built anew with the trained weights must answer as the trained
            one does; else the trial fails with ``build``.

    Raises:
        ExecutorError: a value out of its range.
    """

    number: int
    architecture: Architecture
    seed: Seed
    epochs: Count | None = None
    seconds: Positive | None = None
    until: Whole | None = None
    checkpoint: Checkpoint | None = None
    folder: str | None = None
    save_seconds: NotNegative = 60.0
    memory: Count | None = None
    silence: Positive | None = None
    parent: Parent | None = None
    bank: SharedWeights | None = None
    lesson: Lesson | None = None
    standardise: bool = True
    scores: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    round_trip: bool = False

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.strip():
            raise ExecutorError(f"job {self.number}: expected the URI of a folder, got {self.folder!r}")
        begun = 0 if self.checkpoint is None else self.checkpoint.epoch
        for name, end in (("until", self.until), ("epochs", self.epochs)):
            scored = name == "until" and end == 0 and self.bank is not None and self.checkpoint is None
            if end is not None and end <= begun and not scored:
                raise ExecutorError(f"job {self.number}: expected {name} above {begun}, got {end}")


@dataclass(frozen=True)
class Report:
    """How a network does after an epoch.

    Attributes:
        epoch: the number of the epoch, counted from 1.
        metrics: the metrics on the validation split, by name (see `workers.training.metrics`).
        train_loss: the mean loss over the epoch's examples, while they were learnt from.
        seconds: the seconds of the epoch's training, without validation.
        samples_per_second: the examples that were trained on in each of those seconds.
    """

    epoch: int
    metrics: dict[str, float]
    train_loss: float
    seconds: float
    samples_per_second: float


@dataclass(frozen=True)
class Pace:
    """How fast a network trains, by its first steps.

    Attributes:
        seconds: the seconds that an epoch's training takes at this pace, without validation, as in `Report`.
    """

    seconds: float


@dataclass(frozen=True)
class Paced:
    """A running job whose epochs are long has made its first steps.

    It comes before the job's first report of this attempt, if at all: an epoch of two seconds or less is
    reported soon enough, and an executor that has no way for it may leave it out.
    """

    number: int
    pace: Pace


@dataclass(frozen=True)
class Reported:
    """An epoch of a running job has ended."""

    number: int
    report: Report


@dataclass(frozen=True)
class Finished:
    """A job has ended well, be it for a pause. Its last event.

    Attributes:
        number: the number of the job.
        metrics: the metrics on the validation split after the last epoch.
        test_metrics: those on the test split, for reporting only.
        seconds: the seconds of the whole job: build, training, validation, test. Where it went on from the
            job's folder, those of the earlier attempt count, as far as it was saved; so they do for the job's
            limit.
        weights: the weights after the last epoch.
        costs: the costs of the network by name (see `search_spaces.building.cost.Cost`), its zero-cost scores
            among them.
        attempts: how often the job was begun; above 1 when a worker was lost.
        checkpoint: where the trial has paused; None: it has come to its end.
        log: the end of what the trial printed, and what became of its checkpoints; 64 KiB at most.
        fit: whether the process that ran it may run another one.
        ran: how the training made use of its device, by name (see `workers.acceleration.Ran`).
        scored: how the new networks of a lesson do with its bank, as far as they have trained it: their
            metrics and costs by name; None for one that could not be built.
    """

    number: int
    metrics: dict[str, float]
    test_metrics: dict[str, float]
    seconds: float
    weights: Weights
    costs: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    checkpoint: Checkpoint | None = None
    log: str = ""
    fit: bool = True
    ran: dict[str, str] = field(default_factory=dict)
    scored: tuple[dict[str, float] | None, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A job has ended without a trained network. Its last event.

    Attributes:
        number: the number of the job.
        reason: ``build`` (the network cannot be built, or its recipe is none), ``exception``, ``not_finite``,
            ``out_of_memory``, ``timeout``, ``silent`` (no report for too long), ``stopped`` (by
            `Executor.stop`), ``worker_lost``, ``limit`` (one of the job's bounds).
        message: one line for people.
        traceback: the end of the traceback of the network's own exception; empty where there was none.
        infrastructure: whether the cluster failed and not the network.
        seconds: the seconds from the job's start to its failure; earlier attempts count as in `Finished`.
        costs: the scores that were taken before the training, by name.
        attempts, log, fit: the same as in `Finished`.
    """

    number: int
    reason: str
    message: str
    traceback: str
    infrastructure: bool
    seconds: float
    costs: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    log: str = ""
    fit: bool = True


Last = Finished | Failed
"""The last event of a job."""

Event = Paced | Reported | Last


class TrialStopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """A trial was told to stop."""
