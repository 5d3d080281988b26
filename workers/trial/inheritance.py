"""How a network begins from the weights of another one of its space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from search_spaces.errors import FormatError
from search_spaces.meanings.meaning import Kinship, Meaning, in_common


@dataclass(frozen=True)
class Inheritance:
    """What a network has from another one.

    Attributes:
        tensors: the number of tensors of its ``state_dict`` that have some numbers of it.
        share: the share of the numbers in its tensors that it has from there, from 0 to 1.
    """

    tensors: int = 0
    share: float = 0.0


def inherit(network: nn.Module, kinship: Kinship, weights: bytes) -> Inheritance:
    """Sets the numbers of a network to those of another one where they mean the same.

    So a child begins where its parent was (E. Real et al., "Large-Scale Evolution of Image Classifiers", ICML
    2017), wider, deeper or with other kernels, too. A feature that both have is made of what both have: what
    the child alone has, more features before it or a larger kernel, begins with zeros there. So where only
    widths and kernels have grown, and nothing normalises over features, the child answers what its parent
    did (T. Chen, I. Goodfellow and J. Shlens, "Net2Net", ICLR 2016, who make copies of features in place of
    zeros; T. Wei et al., "Network Morphism", ICML 2016). Layers that the child alone has hand on what they
    get, where they can; new normalisations among them do so in evaluation alone, until `hand_on` has seen
    examples.

    Args:
        network: the network, freshly initialised, which is changed in place.
        kinship: what it has in common with the other one.
        weights: the other one's weights, as `workers.weights.to_safetensors` returns them.

    Returns:
        How much it got.

    Raises:
        FormatError: the weights are no safetensors.
    """
    try:
        given = load(weights)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise FormatError(f"weights to begin from: {error}") from error
    names = {meaning.key: name for name, meaning in kinship.theirs.items()}
    count = numbers = 0
    state = network.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            meaning = kinship.own.get(name)
            source = None if meaning is None else names.get(meaning.key)
            came = None if source is None else given.get(source)
            if meaning is None or source is None or came is None or came.dtype != tensor.dtype:
                continue
            other = kinship.theirs[source]
            if _sizes(meaning) == tuple(tensor.shape) and _sizes(other) == tuple(came.shape):
                taken = _take(tensor, meaning, came, other)
                count, numbers = count + (taken > 0), numbers + taken
        if count:
            _begin(state, kinship)
    whole = sum(state[name].numel() for name in kinship.own if name in state)
    return Inheritance(count, numbers / max(1, whole))


def _sizes(meaning: Meaning) -> tuple[int, ...]:
    return tuple(map(len, meaning.axes))


def _take(tensor: Tensor, own: Meaning, came: Tensor, theirs: Meaning) -> int:
    """Sets a tensor where another one of its key means the same; returns how many numbers of it."""
    places = [{index: place for place, index in enumerate(axis)} for axis in theirs.axes]
    here, there = in_common(own.axes, places)
    if not all(here):
        return 0
    if own.makes is not None:
        tensor.index_fill_(own.makes, torch.tensor(here[own.makes], device=tensor.device), 0.0)
    if tensor.dim():
        tensor[_grid(here)] = came[_grid(there)].to(tensor.device)
    else:
        tensor.copy_(came)
    return math.prod(map(len, here))


def _begin(state: Mapping[str, Tensor], kinship: Kinship) -> None:
    """Sets new tensors so that what they make is nothing, or what they get."""
    beginning = kinship.beginning
    for name in beginning.zeros:
        state[name].zero_()
    for name in beginning.identities - beginning.zeros:
        weight, alone = state[name], kinship.own[name].axes[1] == ("own",)
        features = len(weight) if alone else min(weight.shape[:2])
        weight[:features] = 0.0
        for i in range(features):
            weight[(i, 0 if alone else i, *(size // 2 for size in weight.shape[2:]))] = 1.0


def _grid(places: Sequence[Sequence[int]]) -> tuple[Tensor, ...]:
    return torch.meshgrid(*map(torch.tensor, places), indexing="ij")
