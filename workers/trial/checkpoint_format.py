"""The state of a trial after an epoch: safetensors with a line of JSON, to go on from on any worker."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from search_spaces.errors import FormatError
from search_spaces.tasks import Task
from workers.job import Job, Report
from workers.problems.measures import metric_names, range_of
from workers.recipe import Recipe
from workers.weights import from_safetensors

if TYPE_CHECKING:
    from workers.training.learning import Learning

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Epoch:
    """An epoch that a trial has behind it.

    Attributes:
        report: the report of it.
        spent: the seconds at work on the trial by its end, pauses left out; lost attempts count as far as
            they were saved.
    """

    report: Report
    spent: float


class DamagedCheckpointError(FormatError):
    """A file is no checkpoint, or what it says cannot have come from a training."""


def save(job: Job, network: nn.Module, learning: Learning, history: Sequence[Epoch]) -> bytes:
    """Returns the state of a network and its training after all epochs of a history."""
    about = {**_names(job), "history": [dataclasses.asdict(epoch) for epoch in history]}
    # Tied weights are written once for each name: safetensors takes no tensors that share memory.
    held = {name: t.detach().cpu().clone().contiguous() for name, t in _tensors(network, learning).items()}
    about["digest"] = _digest(about, held)
    return to_bytes(held, metadata={"checkpoint": json.dumps(about)})


def restore(
    data: bytes,
    job: Job,
    network: nn.Module,
    learning: Learning,
    *,
    epoch: int | None = None,
    tasks: Mapping[str, Task] | None = None,
) -> list[Epoch]:
    """Brings a network and its training to the state that was saved; returns its history.

    Args:
        data: the state.
        job: the job of the trial.
        network: the network that is changed.
        learning: the rest of the training, which is changed, too.
        epoch: the number of epochs that it should have behind it; None: any.
        tasks: the tasks whose metrics were measured; None: any metrics.

    Raises:
        FormatError: the state is of another trial; nothing was changed then.
        DamagedCheckpointError: it is not whole, or no training of this trial can have led there; nor then.
    """
    try:
        tensors, described = from_safetensors(data)
        about: dict[str, Any] = json.loads(described["checkpoint"])
        digest = about.pop("digest", None)
        whole = digest is None or digest == _digest(about, tensors)  # earlier versions wrote none
        history = _histories().validate_python(about.pop("history"))
    except Exception as error:  # of several libraries, which were told something that is no checkpoint
        words = f"{type(error).__name__}: {error!s:.300}"
        raise DamagedCheckpointError(f"no checkpoint of a trial: {words}") from error
    if not whole:
        raise DamagedCheckpointError("checkpoint: its bytes are not those that were written")
    if wrong := _elsewhere(about, job, len(history)):
        raise FormatError(f"checkpoint: {wrong}")
    if wrong := _impossible(history, _names(job)["epochs"], epoch, tasks):
        raise DamagedCheckpointError(f"checkpoint: {wrong}")
    came, expected = (
        {name: (tensor.shape, tensor.dtype) for name, tensor in some.items()}
        for some in (tensors, _tensors(network, learning))
    )
    if came != expected:
        other = sorted(n for n in came.keys() | expected.keys() if came.get(n) != expected.get(n))
        raise FormatError(f"checkpoint: not of this network and recipe: {', '.join(other):.300}")
    network.load_state_dict(_under("network.", tensors))
    with torch.no_grad():
        for name, tensor in learning.state().items():
            tensor.copy_(tensors[name])
    return history


def most_bytes(
    job: Job, network: nn.Module, learning: Learning, tasks: Mapping[str, Task] | None = None
) -> int:
    """Returns the number of bytes that a checkpoint of a trial can have at the most."""
    tensors = _tensors(network, learning)
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    # each entry of the header: its name, perhaps in escapes, its type, its shape and where it lies
    header = sum(6 * len(name) + 256 + 24 * tensor.ndim for name, tensor in tensors.items())
    metrics = 64 if tasks is None else sum(6 * len(name) + 64 for name in metric_names(tasks))
    return held + header + int(_names(job)["epochs"]) * (1024 + 2 * metrics) + 65_536


def _impossible(
    history: Sequence[Epoch], epochs: int, epoch: int | None, tasks: Mapping[str, Task] | None
) -> str | None:
    """Says why no training can have this history; None where one can."""
    if [one.report.epoch for one in history] != list(range(1, len(history) + 1)):
        return "its epochs are not in order"
    if len(history) > epochs:
        return f"expected {epochs} epochs at the most, got {len(history)}"
    if epoch is not None and len(history) != epoch:
        return f"expected {epoch} epochs, got {len(history)}"
    spent = [0.0, *(one.spent for one in history)]
    if not all(map(math.isfinite, spent)) or spent != sorted(spent):
        return "its times are none"
    names = None if tasks is None else metric_names(tasks)
    for one in history:
        report = one.report
        if not math.isfinite(report.train_loss) or not report.seconds >= 0:
            got = f"{report.train_loss} and {report.seconds}"
            return f"epoch {report.epoch}: expected a loss and seconds, got {got}"
        if names is not None and "loss" not in report.metrics:
            return f"epoch {report.epoch}: expected a validation loss, got none"
        for name, value in report.metrics.items():
            if names is not None and name not in names:
                return f"epoch {report.epoch}: expected metrics out of {', '.join(names)}, got {name!r:.80}"
            low, high = range_of(name)
            # a sum of several tasks, or of rounded numbers, may pass its bound by a rounding
            if math.isnan(value) or not low - _ROUNDING <= value <= high + _ROUNDING:
                return f"epoch {report.epoch}: expected {name} from {low} to {high}, got {value}"
    return None


def _digest(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Returns what names the contents of a checkpoint: 32 hex digits."""
    found = hashlib.blake2b(json.dumps(about).encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _names(job: Job) -> dict[str, Any]:
    """What makes two trials the same: they come to the same state in each epoch."""
    epochs = job.epochs or Recipe.of(job.architecture).epochs
    return {"architecture": job.architecture.id, "seed": job.seed, "epochs": epochs}


def _elsewhere(about: dict[str, Any], job: Job, epochs: int) -> str | None:
    """Says why a job is not where a checkpoint was saved when it has trained for so many epochs; None: it is.

    It is there where both are the same trial, or differ in a length that makes no difference up to there.
    """
    names = _names(job)
    planned = about.get("epochs")
    if about == names:
        return None
    wrong = f"expected one of {_named(names)}, got one of {_named(about)}"
    if type(planned) is not int or about != {**names, "epochs": planned}:
        return wrong
    recipe = Recipe.of(job.architecture)
    same = min(map(recipe.stable_epochs, (planned, names["epochs"])))
    if epochs <= same:
        return None
    return f"{wrong}, after epoch {epochs}; by the schedule {recipe.schedule!r} both are alike up to {same}"


def _named(names: dict[str, Any]) -> str:
    architecture, seed, epochs = (names.get(key) for key in ("architecture", "seed", "epochs"))
    return f"network {architecture} with seed {seed} for {epochs} epochs"


def _tensors(network: nn.Module, learning: Learning) -> dict[str, Tensor]:
    return {f"network.{name}": tensor for name, tensor in network.state_dict().items()} | learning.state()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@cache
def _histories() -> TypeAdapter[list[Epoch]]:
    return TypeAdapter(list[Epoch])
