"""What the store keeps of searches and trials, as plain data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Status = Literal["running", "complete", "paused", "failed", "infeasible", "repeated", "interrupted", "queued"]
"""The status of a trial.

``running``: a worker has it. ``complete``: trained and measured. ``paused``: the same, after some of its
epochs; it may go on (see `controllers.fidelity`). ``failed``: it failed, see its reason.
``infeasible``: it broke a limit before any training, or takes too much time (`LATE`).
``repeated``: answered from the record of its twin.
``interrupted``: its search was stopped while it was in training; it is trained again when the search goes on.
``queued``: its search was stopped before a worker had begun it; it is trained when the search goes on.
"""

TRAINED: tuple[Status, ...] = ("complete", "paused", "failed")
"""Trials that a worker has had and has not now."""

BEGAN_FROM = "began from the weights of trial"
"""How the message of a trial begins that has inherited; its number follows."""

LIMIT = "limit"
"""Why a trial was turned down that breaks a limit on what is known before its training."""

LATE = "time"
"""Why a trial was turned down or stopped that takes too much time: it says nothing of the network."""

MEASURED: tuple[Status, ...] = ("complete", "paused")
"""Those of them that have metrics and a rank."""

FINALS = "finals"
"""The part of a plan that sends the best networks to their ends; a choice of one has its ``number``."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search. Times in seconds; ``started_at`` since 1970, UTC.

    ``ran`` is what ran (`workers.acceleration.Ran`), empty where that is unknown: no training has ended well,
    an older version has recorded it, or the executor does not say. ``training`` says of which training of the
    network the results are: 0, the trial's own; n, the n-th repeat, whose weights are kept in their place
    (`nas.store.trainings`).
    """

    number: int
    architecture_id: str
    decisions: Mapping[str, Any]
    status: Status
    origin: str = "random"
    parents: tuple[str, ...] = ()
    asked_step: int = 0
    told_step: int | None = None
    reason: str | None = None
    message: str | None = None
    traceback: str | None = None
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    seconds: float | None = None
    started_at: float | None = None
    ran: Mapping[str, str] = field(default_factory=dict)
    training: int = 0

    @property
    def inherited(self) -> bool:
        """Whether its network was scored with weights that it inherits, and was not trained."""
        return self.status == "paused" and self.epochs == 0


@dataclass(frozen=True)
class Leg:
    """A segment of the training of a trial that may pause, from the end of the segment before.

    Attributes:
        number: the number of the trial.
        until: the epoch at which the segment ends.
        asked_step: the place among the controller's calls at which the segment was begun.
        told_step: the place at which its result was told; None: it was not yet.
        metrics: the metrics at its end; None while it is running and where it failed.
    """

    number: int
    until: int
    asked_step: int
    told_step: int | None = None
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True)
class PlanChoice:
    """What the plan of a search has chosen (see `nas.search.plan`).

    Attributes:
        part: the part of the plan, in one word.
        value: what was chosen for it, plain data.
        reason: the reason, for people.
        step: the place among the controller's calls at which it was made: what comes after it is by it.
        at: when that was, in seconds of the search, all its drivers together.
    """

    part: str
    value: Any
    reason: str
    step: int
    at: float


@dataclass(frozen=True)
class PathScore:
    """How a network that trains a bank of shared weights does with it.

    Attributes:
        decisions: the decisions of its architecture.
        metrics: its metrics and costs, by name; empty where it was not scored; None: it could not be built.
    """

    decisions: Mapping[str, Any]
    metrics: Mapping[str, float] | None


@dataclass(frozen=True)
class BankEpoch:
    """An epoch of the training of a bank of shared weights.

    Attributes:
        epoch: its number, from 1.
        train_loss: the mean training loss of the networks that it was trained by.
        seconds: the seconds that it took.
        scored: the networks that a controller let train it up to here, since the last of which that is known.
    """

    epoch: int
    train_loss: float
    seconds: float
    scored: tuple[PathScore, ...] = ()


@dataclass(frozen=True)
class Start:
    """An older result that a search starts from.

    Attributes:
        decisions: the decisions of its architecture.
        metrics: its values; None: it failed.
        comparable: whether its values were measured as the search measures. Where not, only the decisions
            count.
        curve: its values before its end, by epochs; empty where they are not known or say nothing.
    """

    decisions: Mapping[str, Any]
    metrics: Mapping[str, float] | None
    comparable: bool
    curve: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A single-task run: what networks of several tasks are compared with in this task.

    Attributes:
        data: the name of the data, and of what a network for this one task must serve (see
            `nas.reuse.single_task`).
        task: the name of the task.
        architecture_id: the id of the network as it is built for this one task.
        epochs: the epochs of its recipe, which its learning rate's schedule spans.
        until: the epoch that it is trained to.
        seed: the seed of its training.
        status: how the run stands; ``failed`` runs are tried again the next time.
        reason: the reason of a failure, in one word.
        message: what the failure said.
        metrics: the validation metrics by their plain names.
        test_metrics: the test metrics by their plain names.
        seconds: the seconds that the run took.
        ran: what ran (`workers.acceleration.Ran`); empty where that is unknown.
    """

    data: str
    task: str
    architecture_id: str
    epochs: int
    until: int
    seed: int
    status: Literal["wanted", "complete", "failed"] = "wanted"
    reason: str | None = None
    message: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    ran: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """16 hex digits that name the run, however it ended."""
        what = [self.data, self.task, self.architecture_id, self.epochs, self.until, self.seed]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


OTHER_CODE = "code"
"""The name under which a training says, beside what ran, whose code was another one than in its search."""


@dataclass(frozen=True)
class Rerun:
    """A training of a trial's network again, with a seed of its own (see `nas.reuse.retrain`).

    Attributes:
        number: the number of the trial.
        seed: the seed of the training.
        epochs: the epochs of the training.
        all_data: whether the network was trained on the validation split too.
        failure: why the training failed, in words; None: it did not.
        metrics: the validation metrics and costs by name; trained on all data, only the costs.
        test_metrics: the test metrics by name.
        seconds: the seconds that the training took.
        ran: what ran (`workers.acceleration.Ran`); empty where that is unknown. Under `OTHER_CODE` the names
            of the code of the user's own that was not that of the search.
    """

    number: int
    seed: int
    epochs: int
    all_data: bool
    failure: str | None
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    seconds: float
    ran: Mapping[str, str] = field(default_factory=dict)

    def repeats(self, trial: Trial) -> bool:
        """Whether it is the training of that trial once more, but for the seed."""
        same = self.number == trial.number and self.epochs == trial.epochs
        return same and self.failure is None and not self.all_data and OTHER_CODE not in self.ran


@dataclass(frozen=True)
class EpochReport:
    """One epoch of one trial, as the store keeps it."""

    epoch: int
    metrics: Mapping[str, float]
    train_loss: float | None
    seconds: float
    samples_per_second: float | None
