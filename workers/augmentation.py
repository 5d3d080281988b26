"""Random changes to images while training, for many examples in a few tensor operations."""

import torch
from torch import Generator, Tensor


def augment(images: Tensor, kind: str, generator: Generator) -> Tensor:
    """A changed copy of ``images`` ``(N, C, H, W)``; each example is changed in its own way.

    Args:
        images: float; zero is the ground that is shifted in and cut out to.
        kind: ``off``, ``shift`` or ``cutout``.
        generator: of the chances, on the CPU, so that they are the same on every device.
    """
    if kind == "shift":
        return shift(images, generator)
    if kind == "cutout":
        return cutout(images, generator)
    return images


def shift(images: Tensor, generator: Generator) -> Tensor:
    """Move each image by up to an eighth of its side, either way; zeros come in at the border."""
    count, _, height, width = images.shape
    down, right = max(1, height // 8), max(1, width // 8)
    padded = torch.nn.functional.pad(images, (right, right, down, down))
    # Every position that the window can take, as a view, and one of them picked for each image.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    rows = torch.randint(2 * down + 1, (count,), generator=generator).to(images.device)
    columns = torch.randint(2 * right + 1, (count,), generator=generator).to(images.device)
    return windows[torch.arange(count, device=images.device), :, rows, columns]


def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Zero a square of a quarter of the shorter side, centred anywhere (cut off at the border)."""
    count, _, height, width = images.shape
    side = max(1, min(height, width) // 4)
    tops = torch.randint(height, (count, 1), generator=generator) - side // 2
    lefts = torch.randint(width, (count, 1), generator=generator) - side // 2
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= tops) & (rows < tops + side)
    inside_columns = (columns >= lefts) & (columns < lefts + side)
    square = (inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)
    return images.masked_fill(square.to(images.device), 0)
