"""How a network standardises its inputs and targets: by means and scales of what it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from search_spaces.blocks.heads import DenseHead, Head
from search_spaces.building.network import Network
from search_spaces.building.standardisation import Standardisation
from search_spaces.inputs import Input, TabularRow
from search_spaces.tasks import CountRegression
from workers.problems.problem import Problem
from workers.recipe import Recipe

_VALUES = 2**22
"""Numbers that are looked at together: in float64 these are 32 MiB."""

_LINEAR = (Head, DenseHead)
"""Heads that end in a linear map, so that they can answer in any unit. What others answer is their affair."""


@dataclass(frozen=True)
class Statistics:
    """What standardises an input or the targets of a task, on the CPU, in float32.

    Attributes:
        mean, scale: the mean of each channel or feature, and its standard deviation; 1 for a constant. Of
            counts 0, and their mean.
        ground: what augmentation takes for nothing, of each: 0, or where the numbers do not reach around 0,
            their mean. None: 0 for all.
    """

    mean: Tensor
    scale: Tensor
    ground: Tensor | None


_known: WeakKeyDictionary[Problem, dict[tuple[str, str], Statistics]] = WeakKeyDictionary()


def standardise(network: nn.Module, problem: Problem, recipe: Recipe) -> None:
    """Sets how a network standardises its inputs and targets, where that is open and the recipe wants it.

    Images by channel, series (their real steps alone) and vectors by feature, rows by column but for their
    categories, targets by output, counts by their mean alone; from the examples of the training split that
    have them. What somebody has set stays, so that a body that is trained already goes on to see what it has
    learnt from. Targets are standardised where the head is one of ours that ends in a linear map.

    Args:
        network: the network, on any device; a module that is no `Network` stays as it is.
        problem: the problem that it is to be trained on.
        recipe: how it is to be trained.
    """
    if not recipe.standardise or not isinstance(network, Network):
        return
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    for part, name, one in _open(network):
        found = statistics(problem, part, name)
        one.set(found.mean.to(device), found.scale.to(device))


def _open(network: Network) -> Iterator[tuple[str, str, Standardisation]]:
    """Yields what is to be set: ``inputs`` or ``targets``, the name, and the module."""
    for name in network.signature.inputs:
        if (one := network.input_standardisation(name)).is_open:
            yield "inputs", name, one
    for name, head in zip(network.signature.tasks, network.heads, strict=True):
        if (one := network.target_standardisation(name)).is_open and type(head) in _LINEAR:
            yield "targets", name, one


def grounds(problem: Problem, recipe: Recipe) -> dict[str, Tensor]:
    """Returns what augmentation takes for nothing by input, where that is not 0; see `Statistics`."""
    if not recipe.standardise or recipe.augmentation == "off":
        return {}
    numeric = [name for name, kind in problem.signature.inputs.items() if kind.scale_shape is not None]
    found = {name: statistics(problem, "inputs", name).ground for name in numeric}
    return {name: ground for name, ground in found.items() if ground is not None}


def target_scales(network: nn.Module) -> dict[str, Tensor]:
    """Returns the scales by which a network's targets are standardised, by task: its losses are in these."""
    if not isinstance(network, Network):
        return {}
    found = {name: network.target_standardisation(name).scale for name in network.signature.tasks}
    return {name: scale for name, scale in found.items() if scale is not None}


def statistics(problem: Problem, part: str, name: str) -> Statistics:
    """Returns the statistics of the training split of a problem, computed once for a problem.

    Args:
        problem: the problem.
        part: ``inputs`` or ``targets``.
        name: the name of the input or the task, which must be one of numbers.
    """
    known = _known.setdefault(problem, {})
    if (part, name) not in known:
        split = problem.train
        values, there = (split.inputs, split.present) if part == "inputs" else (split.targets, split.labelled)
        kinds = problem.signature.inputs if part == "inputs" else problem.signature.tasks
        kind = kinds[name]
        shape = kind.scale_shape
        assert shape is not None
        real = kind.mask if isinstance(kind, Input) else None
        found = _statistics(values[name], there.get(name), shape, real)
        if isinstance(kind, TabularRow):
            found = _of_numbers(found, kind.numbers)
        elif isinstance(kind, CountRegression):
            found = _of_counts(found)
        known[part, name] = found
    return known[part, name]


def _of_numbers(found: Statistics, numbers: int) -> Statistics:
    """The statistics of a row's first columns, its numbers; the categories after them stay what they are."""
    is_number = torch.arange(len(found.mean)) < numbers
    return Statistics(
        torch.where(is_number, found.mean, 0.0),
        torch.where(is_number, found.scale, 1.0),
        None if found.ground is None else torch.where(is_number, found.ground, 0.0),
    )


def _of_counts(found: Statistics) -> Statistics:
    """The statistics of counts, which stay above 0: only their unit changes, to the mean count."""
    return Statistics(torch.zeros_like(found.mean), torch.where(found.mean > 0, found.mean, 1.0), None)


def _statistics(
    values: Tensor,
    there: Tensor | None,
    shape: tuple[int, ...],
    real: Callable[[Tensor], Tensor | None] | None,
) -> Statistics:
    """Statistics in one pass, in float64: pieces are joined as in Chan, Golub & LeVeque 1979 (eq. 2.1).

    Args:
        values: the examples.
        there: which of them count; None: all.
        shape: the shape of the mean and the scale.
        real: says which positions of examples are real; None: all are.
    """
    axes = [axis for axis in range(values.ndim) if axis != (1 if values.ndim == 4 else values.ndim - 1)]
    count, mean, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    low, high = torch.tensor(torch.inf), torch.tensor(-torch.inf)
    size = max(1, _VALUES // max(1, values[0].numel()))
    for start in range(0, len(values), size):
        piece = values[start : start + size]
        if there is not None:
            piece = piece[there[start : start + size]]
        mask = real(piece) if real is not None else None
        if mask is not None:
            piece = piece[mask].unsqueeze(0)  # one long series
        if not piece.numel():
            continue
        variance, own = (one.cpu() for one in torch.var_mean(piece.double(), axes, correction=0))
        new = piece.numel() // own.numel()
        away = own - mean
        squares = squares + variance * new + away.square() * (count * new / (count + new))
        mean = mean + away * (new / (count + new))
        count += new
        low, high = torch.minimum(low, piece.amin(axes).cpu()), torch.maximum(high, piece.amax(axes).cpu())
    scale = torch.where(low == high, 1.0, (squares / count).sqrt()).float()
    # what differs by less than the smallest number of float32 is constant to it
    scale = torch.where(scale > 0, scale, 1.0)
    mean = mean.float()
    away_from_zero = (low > 0) | (high < 0)
    ground = torch.where(away_from_zero, mean, 0.0) if bool(away_from_zero.any()) else None
    return Statistics(
        mean.reshape(shape), scale.reshape(shape), None if ground is None else ground.reshape(shape)
    )
