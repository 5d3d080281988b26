"""Random changes to images and series while training, for many examples in a few tensor operations."""

import torch
from torch import Generator, Tensor

from workers.training.placement import send

SCALE = 0.1
"""Standard deviation of the factors and offsets of `scaled` series."""


def augment(values: Tensor, kind: str, generator: Generator, padded: bool = False) -> Tensor:
    """Returns a changed copy of images ``(N, C, H, W)`` or series ``(N, L, F)``; each example in its own way.

    Args:
        values: floats; zero is the ground that is shifted in and cut out to.
        kind: ``off``, ``shift`` or ``cutout``.
        generator: the generator of the draws, on the CPU, so that they are the same on every device.
        padded: whether series may end in steps of NaN, which are padding and stay.
    """
    images = values.dim() == 4
    if kind == "shift":
        return shift(values, generator) if images else scaled(values, generator, padded)
    if kind == "cutout":
        return cutout(values, generator) if images else cut_span(values, generator, padded)
    return values


def shift(images: Tensor, generator: Generator) -> Tensor:
    """Moves each image by up to an eighth of its side, either way; zeros come in at the border."""
    count, _, height, width = images.shape
    down, right = max(1, height // 8), max(1, width // 8)
    padded = torch.nn.functional.pad(images, (right, right, down, down))
    # Every position that the window can take, as a view, and one of them picked for each image.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    rows = torch.randint(2 * down + 1, (count,), generator=generator)
    columns = torch.randint(2 * right + 1, (count,), generator=generator)
    return windows[
        torch.arange(count, device=images.device), :, send(rows, images.device), send(columns, images.device)
    ]


def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Zeroes a square of a quarter of the shorter side, centred anywhere (cut off at the border)."""
    count, _, height, width = images.shape
    side = max(1, min(height, width) // 4)
    tops = torch.randint(height, (count, 1), generator=generator) - side // 2
    lefts = torch.randint(width, (count, 1), generator=generator) - side // 2
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= tops) & (rows < tops + side)
    inside_columns = (columns >= lefts) & (columns < lefts + side)
    square = (inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)
    return images.masked_fill(send(square, images.device), 0)


def scaled(series: Tensor, generator: Generator, padded: bool = False) -> Tensor:
    """Multiplies each feature of each series by a factor near 1 and adds an offset (Um et al. 2017).

    Both are normal, with standard deviation `SCALE`; the offset in units of the feature's own deviation along
    the series, so that a feature that stays is only scaled.

    Args:
        series: the series, ``(N, L, F)``.
        generator: the generator of the draws.
        padded: whether they may end in padding, which has no part in the deviation.
    """
    count, _, features = series.shape
    draws = send(SCALE * torch.randn((2, count, 1, features), generator=generator), series.device)
    draws = draws.to(series.dtype)
    if padded:
        away = series - series.nanmean(1, keepdim=True)
        deviation = away.square().nanmean(1, keepdim=True).sqrt()
    else:
        deviation = series.std(1, keepdim=True, correction=0)
    return series * (1 + draws[0]) + draws[1] * deviation


def cut_span(series: Tensor, generator: Generator, padded: bool = False) -> Tensor:
    """Zeroes a span of a quarter of each series, centred anywhere (time masking; Park et al. 2019).

    Args:
        series: the series, ``(N, L, F)``.
        generator: the generator of the draws.
        padded: whether they may end in padding; then the span lies among the real steps.
    """
    count, length, _ = series.shape
    if padded:
        real = ~series.isnan().all(2)
        lengths = real.sum(1, keepdim=True)
        shares = send(torch.rand((count, 1), generator=generator), series.device)
        spans = (lengths // 4).clamp(min=1)
        starts = (shares * lengths).long() - spans // 2
        positions = torch.arange(length, device=series.device)
        inside = (positions >= starts) & (positions < starts + spans) & real
        return series.masked_fill(inside.unsqueeze(2), 0)
    span = max(1, length // 4)
    starts = torch.randint(length, (count, 1), generator=generator) - span // 2
    positions = torch.arange(length)
    inside = (positions >= starts) & (positions < starts + span)
    return series.masked_fill(send(inside.unsqueeze(2), series.device), 0)
