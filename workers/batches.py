"""Feeding a network: examples in random order, gathered a piece at a time, batches as slices of it."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from search_spaces.signature import Image, Signature
from workers.augmentation import augment
from workers.problems.split import Split

PIECE_BYTES = {"cpu": 2**20, "cuda": 2**26}
"""Gathered at once. On a CPU a piece stays in the cache until it is used; a GPU likes few, large calls."""

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches in an epoch. A last batch of one is left out: batch normalisation cannot learn from it."""
    whole, rest = divmod(examples, batch_size)
    return whole + (rest > 1) if whole else 1


def epoch(
    split: Split,
    signature: Signature,
    *,
    batch_size: int,
    augmentation: str,
    channels_last: bool,
    generator: Generator,
) -> Iterator[Batch]:
    """One pass over a split in random order.

    What a `DataLoader` does for each example (index, collate) is done here by one gather for each piece; a
    batch is a view of it. So is augmentation, for all images of a piece together.

    Args:
        split: the examples, on any device.
        signature: says which inputs are images.
        batch_size: examples in each batch but the last.
        augmentation: see `workers.augmentation.augment`.
        channels_last: lay images out as convolutions like them best.
        generator: of order and augmentation, on the CPU.
    """
    count = len(split)
    steps = steps_per_epoch(count, batch_size)
    device = next(iter(split.inputs.values())).device
    order = torch.randperm(count, generator=generator).to(device)
    per_example = sum(t[0].nbytes for t in (*split.inputs.values(), *split.targets.values()))
    piece_bytes = PIECE_BYTES.get(device.type, PIECE_BYTES["cuda"])
    piece = max(1, piece_bytes // max(1, per_example * batch_size)) * batch_size
    for start in range(0, steps * batch_size, piece):
        indices = order[start : min(start + piece, steps * batch_size)]
        gathered = split.select(indices)
        for name, kind in signature.inputs.items():
            if isinstance(kind, Image):
                images = augment(gathered.inputs[name], augmentation, generator)
                layout = torch.channels_last if channels_last else torch.contiguous_format
                gathered.inputs[name] = images.contiguous(memory_format=layout)
        inputs = {name: torch.split(tensor, batch_size) for name, tensor in gathered.inputs.items()}
        targets = {name: torch.split(tensor, batch_size) for name, tensor in gathered.targets.items()}
        for step in range(len(next(iter(inputs.values())))):
            yield (
                {name: parts[step] for name, parts in inputs.items()},
                {name: parts[step] for name, parts in targets.items()},
            )
