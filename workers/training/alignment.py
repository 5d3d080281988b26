"""Bringing the embeddings of one example's modalities together while the tasks are learned."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.recipe import Alignment
from workers.training.adversary import Discriminator
from workers.training.placement import send

MARGIN = 1.0
"""The distance up to which `contrastive` drives embeddings (of length 1) of different examples apart."""
TEMPERATURE = 0.1
"""The temperature of `infonce`."""
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The bandwidths of the kernels of `mmd`, times the mean squared distance in a batch (Long et al. 2015)."""


class ModalityAlignment(nn.Module):
    """A loss on the embeddings of each two modalities, over the examples that have both.

    The embeddings are projected to one width and brought to length 1. ``contrastive`` and ``infonce`` compare
    examples one by one, and learn the projections. ``mmd`` and ``adversarial`` compare what is spread over a
    batch, which learned projections would satisfy by forgetting all: theirs are fixed, an identity or
    orthonormal directions drawn at random.

    Args:
        method: ``contrastive``: squared distances within an example, and what those between examples lack of
            a margin (Hadsell, Chopra & LeCun 2006). ``infonce``: each modality's own among all in the batch,
            both ways (van den Oord et al. 2018; Radford et al. 2021). ``mmd``: the maximum mean discrepancy
            under a mean of Gaussian kernels (Gretton et al. 2012). ``adversarial``: a classifier of the
            modality behind reversed gradients (Ganin et al. 2016).
        sizes: the sizes of the embeddings by modality; two modalities at least.
        weight: the weight of the loss beside those of the tasks.
    """

    def __init__(self, method: Alignment, sizes: Mapping[str, int], weight: float) -> None:
        super().__init__()
        self._method, self._weight = method, weight
        self._names = list(sizes)
        width = min(sizes.values())
        learned = method in ("contrastive", "infonce")
        self.projections = nn.ModuleList([_projection(size, width, learned) for size in sizes.values()])
        if method == "adversarial":
            self.discriminator = Discriminator(width, len(sizes), strength=weight)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor | None:
        """Returns the weighted mean over the pairs of modalities; None where no two examples have any two.

        Args:
            embeddings: the embeddings ``(N, F)`` by modality.
            present: the examples that have a modality, bool ``(N,)``, by modality, on the CPU; one left out
                is in all.
        """
        points = [
            F.normalize(projection(embeddings[name]), dim=1)
            for name, projection in zip(self._names, self.projections, strict=True)
        ]
        losses = []
        for one, other in itertools.combinations(range(len(points)), 2):
            masks = [present[self._names[index]] for index in (one, other) if self._names[index] in present]
            both = points[one], points[other]
            if masks:
                rows = masks[0] if len(masks) == 1 else masks[0] & masks[1]
                there = send(rows.nonzero().squeeze(1), both[0].device)
                both = both[0].index_select(0, there), both[1].index_select(0, there)
            if len(both[0]) > 1:
                losses.append(self._loss(*both, one, other))
        return torch.stack(losses).mean() if losses else None

    def _loss(self, some: Tensor, others: Tensor, one: int, other: int) -> Tensor:
        if self._method == "adversarial":
            # The weight is in the reversed gradient: the classifier is to learn at its own pace.
            source = torch.full((len(some),), one, device=some.device)
            both = torch.cat([source, torch.full_like(source, other)])
            loss: Tensor = self.discriminator(torch.cat([some, others]), both)
            return loss
        compare = {"contrastive": contrastive, "infonce": infonce, "mmd": mmd}[self._method]
        return self._weight * compare(some, others)


def contrastive(some: Tensor, others: Tensor) -> Tensor:
    """Returns the contrastive loss with a margin: rows that belong together, against all the others.

    The mean over matching pairs of ``d^2`` and the mean over the others of ``max(0, margin - d)^2``, added.

    Args:
        some: the embeddings ``(N, F)`` of one modality, of length 1, at least two rows.
        others: those of the other modality; rows of equal number match.
    """
    squares = (2 - 2 * some @ others.T).clamp(min=1e-12)  # the root of 0 has no gradient
    # Hadsell, Chopra & LeCun 2006, their contrastive loss without its halves: D^2 and max(0, m - D)^2
    apart = (MARGIN - squares.sqrt()).clamp(min=0).square()
    count = len(some)
    between = (apart.sum() - apart.diagonal().sum()) / (count * (count - 1))
    return squares.diagonal().mean() + between


def infonce(some: Tensor, others: Tensor) -> Tensor:
    """Returns the cross entropy of finding a row's match among all, the mean of both ways.

    A. van den Oord, Y. Li and O. Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
    eq. 4, in both directions as A. Radford et al. (CLIP, ICML 2021) take it.

    Args:
        some: the embeddings ``(N, F)`` of one modality, of length 1.
        others: those of the other modality; rows of equal number match.
    """
    scores = some @ others.T / TEMPERATURE
    matches = torch.arange(len(some), device=some.device)
    return (F.cross_entropy(scores, matches) + F.cross_entropy(scores.T, matches)) / 2  # eq. 4, both ways


def mmd(some: Tensor, others: Tensor) -> Tensor:
    """Returns the squared maximum mean discrepancy between two samples, the biased estimate (never below 0).

    Args:
        some: a sample ``(N, F)``.
        others: another sample ``(N, F)``.
    """
    both = torch.cat([some, others])
    products = both @ both.T
    lengths = products.diagonal()
    squares = (lengths.unsqueeze(1) + lengths.unsqueeze(0) - 2 * products).clamp(min=0)
    unit = squares.detach().mean().clamp(min=1e-12)
    kernels = torch.stack([torch.exp(-squares / (factor * unit)) for factor in BANDWIDTHS]).mean(0)
    signs = torch.cat([some.new_ones(len(some)) / len(some), some.new_full((len(others),), -1 / len(others))])
    return signs @ kernels @ signs  # Gretton et al. 2012: the square of the biased estimate MMD_b


def _projection(size: int, width: int, learned: bool) -> nn.Module:
    if learned:
        return nn.Linear(size, width)
    if size == width:
        return nn.Identity()
    projection = nn.Linear(size, width, bias=False)
    nn.init.orthogonal_(projection.weight)
    return projection.requires_grad_(False)
