"""What the numbers in the tensors of a network mean, so that networks of one space can share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from search_spaces.architecture import Architecture
from search_spaces.blocks.backbone.call_name import CallName
from search_spaces.building.build import build
from search_spaces.building.dry_run import dry_run
from search_spaces.building.network import Network
from search_spaces.building.outline import BATCH
from search_spaces.holes import is_number, is_plain
from search_spaces.meanings.beginning import Beginning
from search_spaces.meanings.flow import Flows
from search_spaces.meanings.grids import grids_of
from search_spaces.meanings.labels import Index, Labels, is_unlike, unlike
from search_spaces.meanings.notes import Notes
from search_spaces.meanings.trace import trace
from search_spaces.nodes import Layer
from search_spaces.signature import Signature

_SAME = frozenset(
    {"activation", "downsample", "pooling", "normalisation", "block", "cell", "inplace", "dropout", "p"}
)
"""Options that leave the tensors of a layer what they are, or whose tensors are others by their classes."""


@dataclass(frozen=True)
class Meaning:
    """What a tensor of a network is.

    Attributes:
        key: where it stands in the space, with all that was chosen there which makes it another tensor.
        axes: what the indices along each axis stand for. Two tensors of one key hold the same number wherever
            that is the same along all axes.
        makes: the axis along which it makes features of those along the others; None: it makes none.
    """

    key: str
    axes: tuple[tuple[Index, ...], ...]
    makes: int | None = None

    @property
    def sliced(self) -> tuple[bool, ...]:
        """Whether tensors of one key that differ in size along an axis have something in common, for each."""
        return tuple(not any(map(is_unlike, indices)) for indices in self.axes)


def in_common(
    own: Sequence[Sequence[Index]], theirs: Sequence[Mapping[Index, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """Returns where two tensors of one key hold the same numbers: the places along each axis, of both.

    Args:
        own: what the indices along each axis of one of them stand for.
        theirs: the places of the indices along each axis of the other one.
    """
    here = [
        [place for place, index in enumerate(mine) if index in places]
        for mine, places in zip(own, theirs, strict=True)
    ]
    there = [
        [places[mine[place]] for place in common]
        for mine, places, common in zip(own, theirs, here, strict=True)
    ]
    return here, there


def meanings(architecture: Architecture, signature: Signature) -> dict[str, Meaning]:
    """Returns what the tensors of a network mean, by their names in its ``state_dict``.

    A dry run follows each feature from the tensor that makes it to those that take it; so an index along an
    axis is known by what it is about: a channel, a channel at a position behind a flatten, a channel of a
    branch, a feature of a head or a gate, a tap of a kernel by its distance from the middle. What cannot be
    followed means the same in networks only where it has the same size.

    Args:
        architecture: the architecture, as its space has filled it: one that was read from text does not know
            where its layers stood.
        signature: what the network serves.

    Raises:
        BuildError: the architecture does not fit.
    """
    return _read(architecture, signature, None, frozenset()).tensors


@dataclass(frozen=True)
class Kinship:
    """What a network has in common with another one of its space, from which it begins.

    Attributes:
        own: what its tensors mean, by name.
        theirs: what those of the other one mean.
        beginning: how its other tensors begin, so that both answer the same as far as that can be had.
    """

    own: dict[str, Meaning]
    theirs: dict[str, Meaning]
    beginning: Beginning


def kinship(architecture: Architecture, other: Architecture, signature: Signature) -> Kinship:
    """Returns what a network has in common with another one, by dry runs of both.

    Args:
        architecture, other: the two, as their space has filled them (see `meanings`).
        signature: what both serve.

    Raises:
        BuildError: one of them does not fit.
    """
    theirs = _read(other, signature, None, frozenset())
    own = _read(architecture, signature, theirs, frozenset())
    if own.flows.beginning.identities:  # what they hand on has the meaning of what came
        beginning = own.flows.beginning
        own = replace(_read(architecture, signature, theirs, beginning.identities), flows=own.flows)
    return Kinship(own.tensors, theirs.tensors, own.flows.beginning)


@dataclass(frozen=True)
class _Reading:
    tensors: dict[str, Meaning]
    flows: Flows


def _read(
    architecture: Architecture, signature: Signature, other: _Reading | None, identities: frozenset[str]
) -> _Reading:
    try:
        return _found(architecture, signature, other, identities, "meta")
    except (NotImplementedError, RuntimeError):  # of a module that looks at numbers, or names its device
        return _found(architecture, signature, other, identities, "cpu")


def _found(
    architecture: Architecture,
    signature: Signature,
    other: _Reading | None,
    identities: frozenset[str],
    device: str,
) -> _Reading:
    layers: dict[int, Layer] = {}

    def made(layer: Layer, module: nn.Module) -> None:
        layers[id(module)] = layer

    plan = architecture.plan(signature)
    with dry_run(device):
        network = build(architecture.model, signature, plan, made)
        for name, head in zip(signature.tasks, network.heads, strict=True):
            if name in architecture.model.heads:
                layers[id(head)] = architecture.model.heads[name]
        keys, places = _keys(network, layers, owners=True), _keys(network, layers, owners=False)
        notes = Notes(Labels(lambda name: places.get(name, name)), grids_of(network), identities)
        flows = Flows(keys, dict(network.named_modules()))
        if other is not None:
            flows.known = {one.key for one in other.tensors.values()}
            flows.joined = other.flows.joins
        trace(network, _batch(signature, device), notes, flows)
    tensors = {
        name: Meaning(
            keys[name],
            tuple(
                notes.along(name, axis, size) or tuple(unlike(size, i) for i in range(size))
                for axis, size in enumerate(tensor.shape)
            ),
            notes.makes.get(name),
        )
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]
    }
    flows.modules = {}  # they were made for the dry run alone
    return _Reading(tensors, flows)


def _batch(signature: Signature, device: str) -> dict[str, torch.Tensor]:
    example: Any = signature.example(BATCH, device)
    return dict(example) if isinstance(example, Mapping) else dict.fromkeys(signature.inputs, example)


def _keys(network: Network, layers: Mapping[int, Layer], *, owners: bool) -> dict[str, str]:
    """The keys of the tensors of a network, by their names; with the tasks that own them, or without."""
    keys: dict[str, str] = {}
    tasks = list(network.signature.tasks)

    def walk(module: nn.Module, name: str, key: str) -> None:
        layer = layers.get(id(module))
        if layer is not None and layer.place:
            owner = _owner(name) if owners else ""
            key = "/".join(filter(None, [owner, layer.place, *_options(layer)]))
        key = f"{key}:{type(module).__name__}"
        for own, _ in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            keys[f"{name}{own}"] = f"{key}.{own}"
        rank = 0
        for step, child in module.named_children():
            if next(child.parameters(), None) is None and next(child.buffers(), None) is None:
                continue  # has nothing, and so moves nothing
            known = step
            if step.isdecimal():
                known, rank = str(rank), rank + 1
            if module is network.heads:
                known = tasks[int(step)]
            known += _said(module, step)
            walk(child, f"{name}{step}.", f"{key}.{known}")

    walk(network, "", "")
    return keys


def _owner(name: str) -> str:
    """Whose copy of a stage a part of a graph is: of which tasks, and which expert."""
    head, _, rest = name.partition("parts.")
    if not rest or not head.endswith("body."):
        return ""
    called = CallName.parse(rest.rstrip("."))
    expert = "" if called.expert is None else f"expert-{called.expert}"
    return "@".join(filter(None, [expert, "+".join(called.owners)]))


def _options(layer: Layer) -> list[str]:
    """The options of a layer that make its tensors others; of numbers a 0 does, which leaves a part out."""
    return [
        f"{name}={value}"
        for name, value in sorted(layer.arguments.items())
        if is_plain(value) and not (is_number(value) and value) and name not in _SAME
    ]


def _said(module: nn.Module, step: str) -> str:
    """What a module says of a child that its class does not: which operation of a cell it is."""
    said = getattr(module, "said", None)
    return f"={said[step]}" if isinstance(said, Mapping) and step in said else ""
