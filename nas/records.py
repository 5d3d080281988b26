"""What the store keeps of searches and trials, as plain data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Status = Literal["running", "complete", "paused", "failed", "infeasible", "repeated", "interrupted"]
"""Of a trial.

``running``: a worker has it. ``complete``: trained and measured. ``paused``: the same, after some of its
epochs; it may go on (see `controllers.fidelity`). ``failed``: it failed, see its reason.
``infeasible``: it broke a limit before any training. ``repeated``: answered from the record of its twin.
``interrupted``: its search was stopped; it is trained again when the search goes on.
"""

TRAINED: tuple[Status, ...] = ("complete", "paused", "failed")
"""Trials that a worker has had and has not now."""

MEASURED: tuple[Status, ...] = ("complete", "paused")
"""Those of them that have metrics and a rank."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search. Times in seconds; ``started_at`` since 1970, UTC."""

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


@dataclass(frozen=True)
class Leg:
    """A part of the training of a trial that may pause: to the epoch ``until``, from the leg before.

    ``metrics`` are those after it, None while it is running and where it failed.
    """

    number: int
    until: int
    asked_step: int
    told_step: int | None = None
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Start:
    """An older result that a search starts from.

    Attributes:
        decisions: of its architecture.
        metrics: its values; None: it failed.
        comparable: whether they were measured as the search measures. Where not, only the decisions count.
    """

    decisions: Mapping[str, Any]
    metrics: Mapping[str, float] | None
    comparable: bool


@dataclass(frozen=True)
class Reference:
    """A single-task run: what networks of several tasks are compared with in this task.

    Attributes:
        data: names the data, and what a network for this task alone must serve (see `nas.reuse.single_task`).
        task: its name.
        architecture_id: of the network as it is built for the task alone.
        epochs: of its recipe: its learning rate's schedule spans them.
        until: the epoch that it is trained to.
        seed: of its training.
        status: ``failed`` runs are tried again the next time.
        reason, message: of a failure.
        metrics, test_metrics: by their plain names.
        seconds: of the run.
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

    @cached_property
    def key(self) -> str:
        """16 hex digits that name the run, however it ended."""
        what = [self.data, self.task, self.architecture_id, self.epochs, self.until, self.seed]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rerun:
    """A training of a trial's network again, with a seed of its own (see `nas.reuse.retrain`).

    Attributes:
        number: of the trial.
        seed: of the training.
        epochs: of it.
        all_data: whether it was trained on the validation split too.
        failure: why it failed, in words; None: it did not.
        metrics, test_metrics: by name; of all data ``metrics`` are the costs alone.
        seconds: that it took.
    """

    number: int
    seed: int
    epochs: int
    all_data: bool
    failure: str | None
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class EpochReport:
    """One epoch of one trial, as the store keeps it."""

    epoch: int
    metrics: Mapping[str, float]
    train_loss: float | None
    seconds: float
    samples_per_second: float | None
