"""The bank of shared weights of a space: of each tensor that its networks have, one for all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from search_spaces.errors import FormatError
from search_spaces.meanings.labels import Index
from workers.bank.shared_tensor import Grid, SharedTensor
from workers.weights import from_safetensors

FORMAT = "bank 1"


class Bank:
    """The weights that the networks of a space share, with what their training keeps beside them.

    A network has those numbers of it that mean what its own do (`search_spaces.meanings`): of a wide layer
    that a narrow one has a part, behind a flatten and in the gates of an LSTM, too, while a convolution of
    another kind at the same place is another tensor. The bank begins empty and grows by what networks ask
    for.

    Attributes:
        version: the number of steps that it was trained for.
        tensors: its tensors, by key.
        beside: what else its training keeps from epoch to epoch, by name.
    """

    def __init__(self) -> None:
        self.version = 0
        self.tensors: dict[str, SharedTensor] = {}
        self.beside: dict[str, Tensor] = {}

    @property
    def num_params(self) -> int:
        """The numbers in it that some network has."""
        return sum(int(one.known.sum()) for one in self.tensors.values())

    def part(
        self, key: str, axes: Sequence[Sequence[Index]], own: Tensor, *, decays: bool = True
    ) -> tuple[SharedTensor, Grid]:
        """Returns the tensor of a key, and where in it the part of a network stands; made where it is new.

        Args:
            key: the key of the tensor.
            axes: what the indices along each axis of the network's own tensor stand for.
            own: the network's tensor as it was initialised.
            decays: whether weight decay is for it.
        """
        shared = self.tensors.get(key)
        if shared is None:
            shared = self.tensors[key] = SharedTensor(own, axes, decays=decays)
            return shared, shared.grid(axes)
        return shared, shared.part(axes, own)

    def to(self, device: torch.device) -> None:
        """Puts it on a device."""
        for shared in self.tensors.values():
            shared.to(device)
        self.beside = {name: tensor.to(device) for name, tensor in self.beside.items()}

    def to_safetensors(self) -> bytes:
        """Returns the bank as a file in the safetensors format, what its training keeps included."""
        tensors: dict[str, Tensor] = {}
        described: dict[str, Any] = {}
        for number, (key, one) in enumerate(self.tensors.items()):
            described[key] = {"axes": one.axes, "decays": one.decays, "averages": len(one.state)}
            described[key]["channels_last"] = one.channels_last
            kept = {"value": one.value, "known": one.known, "steps": one.steps}
            kept |= {f"average{place}": tensor for place, tensor in enumerate(one.state)}
            # safetensors knows one layout of numbers
            tensors |= {f"{number}.{name}": tensor.contiguous() for name, tensor in kept.items()}
        tensors |= {f"beside.{name}": tensor.contiguous() for name, tensor in self.beside.items()}
        about = {"format": FORMAT, "version": self.version, "tensors": described}
        return save(tensors, {"bank": json.dumps(about)})

    @staticmethod
    def from_safetensors(data: bytes) -> Bank:
        """Reads a bank.

        Raises:
            FormatError: it is none, or one of another version of this package.
        """
        try:
            tensors, words = from_safetensors(data)
            about = json.loads(words["bank"])
            if about["format"] != FORMAT:
                raise FormatError(f"bank: expected {FORMAT!r}, got {about['format']!r:.40}: train it again")
            bank = Bank()
            bank.version = int(about["version"])
            for number, (key, one) in enumerate(about["tensors"].items()):
                bank.tensors[key] = _read(number, one, tensors)
            bank.beside = {
                n.removeprefix("beside."): t for n, t in tensors.items() if n.startswith("beside.")
            }
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise FormatError(f"bank: expected what Bank.to_safetensors returned: {error}") from error
        return bank


def _read(number: int, about: dict[str, Any], tensors: dict[str, Tensor]) -> SharedTensor:
    axes = [[_index(index) for index in own] for own in about["axes"]]
    value, known, steps = (tensors[f"{number}.{name}"] for name in ("value", "known", "steps"))
    if tuple(map(len, axes)) != tuple(value.shape) or known.shape != value.shape:
        raise ValueError(f"tensor {number} has another shape than it says")
    shared = SharedTensor(value, axes, decays=bool(about["decays"]))
    if about["channels_last"]:
        shared.lay_out()
    shared.set(known, steps, [tensors[f"{number}.average{place}"] for place in range(about["averages"])])
    return shared


def _index(read: Any) -> Index:
    """An index as it was before JSON, which has lists only."""
    return tuple(map(_index, read)) if isinstance(read, list) else read
