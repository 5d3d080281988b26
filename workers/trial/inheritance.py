"""How a network begins from the weights of another one of its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from search_spaces.errors import FormatError
from search_spaces.meanings.meaning import Meaning


def inherit(
    network: nn.Module, own: Mapping[str, Meaning], weights: bytes, theirs: Mapping[str, Meaning]
) -> int:
    """Sets the numbers of a network to those of another one where they mean the same.

    So a child begins where its parent was (E. Real et al., "Large-Scale Evolution of Image Classifiers", ICML
    2017), wider, deeper or with other kernels, too. A feature that both have is made of what both have: what
    the child alone has, more features before it or a larger kernel, begins with zeros there. So where only
    widths and kernels have grown, and nothing normalises over features, the child answers what its parent
    did (T. Chen, I. Goodfellow and J. Shlens, "Net2Net", ICLR 2016, who make copies of features in place of
    zeros; T. Wei et al., "Network Morphism", ICML 2016).

    Args:
        network: the network, which is changed in place.
        own: what its tensors mean, by `search_spaces.meanings.meaning.meanings`.
        weights: the other one's weights, as `workers.trial.weights.to_safetensors` returns them.
        theirs: what its tensors mean.

    Returns:
        How many tensors of its ``state_dict`` got numbers.

    Raises:
        FormatError: the weights are no safetensors.
    """
    try:
        given = load(weights)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise FormatError(f"weights to begin from: {error}") from error
    names = {meaning.key: name for name, meaning in theirs.items()}
    count = 0
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            meaning = own.get(name)
            source = None if meaning is None else names.get(meaning.key)
            came = None if source is None else given.get(source)
            if meaning is None or source is None or came is None or came.dtype != tensor.dtype:
                continue
            if _sizes(meaning) == tuple(tensor.shape) and _sizes(theirs[source]) == tuple(came.shape):
                count += _take(tensor, meaning, came, theirs[source])
    return count


def _sizes(meaning: Meaning) -> tuple[int, ...]:
    return tuple(map(len, meaning.axes))


def _take(tensor: Tensor, own: Meaning, came: Tensor, theirs: Meaning) -> bool:
    """Sets a tensor where another one of its key means the same; returns whether there is any such place."""
    here: list[Sequence[int]] = []
    there: list[Sequence[int]] = []
    for mine, other in zip(own.axes, theirs.axes, strict=True):
        places = {index: place for place, index in enumerate(other)}
        common = [place for place, index in enumerate(mine) if index in places]
        if not common:
            return False
        here.append(common)
        there.append([places[mine[place]] for place in common])
    if own.makes is not None:
        tensor.index_fill_(own.makes, torch.tensor(here[own.makes], device=tensor.device), 0.0)
    if tensor.dim():
        tensor[_grid(here)] = came[_grid(there)].to(tensor.device)
    else:
        tensor.copy_(came)
    return True


def _grid(places: Sequence[Sequence[int]]) -> tuple[Tensor, ...]:
    return torch.meshgrid(*map(torch.tensor, places), indexing="ij")
