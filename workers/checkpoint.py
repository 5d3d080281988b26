"""The state in which a trial pauses: safetensors with a line of JSON, to go on from on any worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from search_spaces.errors import FormatError
from workers.job import Job

if TYPE_CHECKING:
    from workers.optimization import FusedOptimizer


def save(job: Job, network: nn.Module, optimizer: FusedOptimizer, epoch: int) -> bytes:
    """The state of a network and its optimizer after an epoch."""
    from safetensors.torch import save as to_bytes

    about = {"architecture": job.architecture.id, "seed": job.seed, "epoch": epoch}
    named = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    named |= {f"optimizer.{name}": tensor for name, tensor in optimizer.state().items()}
    # Tied weights are written once for each name: safetensors takes no tensors that share memory.
    held = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in named.items()}
    return to_bytes(held, metadata={"checkpoint": json.dumps(about)})


def restore(data: bytes, job: Job, network: nn.Module, optimizer: FusedOptimizer) -> int:
    """Bring a network and its optimizer to the state that was saved; gives the epochs trained.

    Raises:
        FormatError: it is no checkpoint, or one of another trial.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        about = json.loads(
            json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["checkpoint"]
        )
        came = about["architecture"], about["seed"]
        epoch = int(about["epoch"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"no checkpoint of a trial: {type(error).__name__}: {error}") from error
    if came != (job.architecture.id, job.seed):
        raise FormatError(
            f"checkpoint: expected one of network {job.architecture.id} with seed {job.seed}, "
            f"got network {came[0]} with seed {came[1]}"
        )
    try:
        network.load_state_dict(_under("network.", tensors))
        kept, mine = _under("optimizer.", tensors), optimizer.state()
        if kept.keys() != mine.keys():
            raise KeyError("the optimizer's state has other tensors")
        with torch.no_grad():
            for name, tensor in mine.items():
                tensor.copy_(kept[name])
    except (RuntimeError, KeyError) as error:
        raise FormatError(f"checkpoint: not of this network and recipe: {error!s:.300}") from error
    return epoch


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
