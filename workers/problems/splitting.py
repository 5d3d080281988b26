"""How one set of examples is divided into parts with the same share of each class in every part."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def stratified_parts(classes: Tensor, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Divides examples into parts, each class in the same proportion in every part.

    Args:
        classes: int64 ``(N,)``, the class of each example; all zeros for a plain random division.
        shares: the share of each part but the last, which gets the rest; each part has
            ``ceil(share * N)`` examples.
        seed: the seed of the division; the same seed leads to the same parts.

    Returns:
        For each part the indices of its examples, int64, in random order.
    """
    count = len(classes)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    # An example's key says how far along its own class it stands, from 0 to 1: a cut at key t takes
    # the share t of every class at once, so that the sizes of the parts come out exact.
    keys = torch.empty(count, dtype=torch.float64)
    shuffled = classes[order]
    for member in torch.unique(shuffled):
        places = (shuffled == member).nonzero().squeeze(1)
        keys[places] = (torch.arange(len(places), dtype=torch.float64) + 0.5) / len(places)
    ranked = order[keys.argsort(stable=True)]
    sizes = [math.ceil(share * count) for share in shares]
    sizes.append(count - sum(sizes))
    parts = torch.split(ranked, sizes) if sizes[-1] >= 0 else ()
    # Keys are ascending inside a part; training shuffles anyway, but slices of a part should be fair too.
    generator = torch.Generator().manual_seed(seed + 1)
    return [part[torch.randperm(len(part), generator=generator)] for part in parts]
