"""The state of a trial after an epoch: safetensors with a line of JSON, to go on from on any worker."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from search_spaces.errors import FormatError
from workers.job import Job, Report
from workers.recipe import Recipe

if TYPE_CHECKING:
    from workers.training.learning import Learning


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


def save(job: Job, network: nn.Module, learning: Learning, history: Sequence[Epoch]) -> bytes:
    """Returns the state of a network and its training after all epochs of a history."""
    about = {**_names(job), "history": [dataclasses.asdict(epoch) for epoch in history]}
    # Tied weights are written once for each name: safetensors takes no tensors that share memory.
    held = {name: t.detach().cpu().clone().contiguous() for name, t in _tensors(network, learning).items()}
    return to_bytes(held, metadata={"checkpoint": json.dumps(about)})


def restore(data: bytes, job: Job, network: nn.Module, learning: Learning) -> list[Epoch]:
    """Brings a network and its training to the state that was saved; returns its history.

    Raises:
        FormatError: the state is not whole, or of another trial; nothing was changed then.
    """
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about: dict[str, Any] = json.loads(header["__metadata__"]["checkpoint"])
        history = _histories().validate_python(about.pop("history"))
    except (SafetensorError, ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"no checkpoint of a trial: {type(error).__name__}: {error!s:.300}") from error
    if about != _names(job):
        raise FormatError(f"checkpoint: expected one of {_named(_names(job))}, got one of {_named(about)}")
    if [epoch.report.epoch for epoch in history] != list(range(1, len(history) + 1)):
        raise FormatError("checkpoint: its epochs are not in order")
    came, expected = (
        {name: tensor.shape for name, tensor in some.items()}
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


def _names(job: Job) -> dict[str, Any]:
    """What makes two trials the same: they come to the same state in each epoch."""
    epochs = job.epochs or Recipe.of(job.architecture).epochs
    return {"architecture": job.architecture.id, "seed": job.seed, "epochs": epochs}


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
