"""Links: what joins taps of several streams into one feature, by sum, gate, attention, ...

All operators work on any taps (vectors, sequences, maps) and answer a vector; or, told to ``keep`` positions,
a sequence or map like their first source. An example without a source is joined from the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.masks import of_length
from search_spaces.blocks.pooling import Pooling, as_positions, num_features

Masks = Sequence[Tensor | None] | None


def resized(value: Tensor, like: Sequence[int]) -> Tensor:
    """A sequence or map with the positions of another one, whose shape (one example) this is: the nearest."""
    if value.dim() == 3:
        return of_length(value, like[0])
    return value if value.shape[2:] == tuple(like[1:]) else F.interpolate(value, size=tuple(like[1:]))


class Link(nn.Module, ABC):
    """Joins its sources: by its operator, then layer normalisation and GELU.

    Args:
        in_shapes: the shape of one example of each source.
        width: the number of features of the answer.
        keep: the number of sources, the first ones, that keep their positions, resized to those of the first;
            all others are pooled over theirs. 0: the answer is a vector ``(N, width)``; else a sequence
            ``(N, L, width)`` or a map ``(N, width, H, W)`` as the first source.
        pooling: ``mean``, ``max`` or ``attention``; see `Pooling`.

    Raises:
        ValueError: positions are to be kept of a vector, or another pooling.
    """

    pooled: int | None = None
    """How many of the sources are pooled if they keep no positions; None: all."""

    def __init__(
        self, in_shapes: Sequence[Sequence[int]], width: int, keep: int = 0, pooling: str = "mean"
    ) -> None:
        super().__init__()
        self.shapes = [tuple(shape) for shape in in_shapes]
        self.sizes = [num_features(shape) for shape in self.shapes]
        self.keep, self.width = keep, width
        if any(len(shape) != len(self.shapes[0]) or len(shape) < 2 for shape in self.shapes[:keep]):
            raise ValueError(f"expected sequences or maps to keep the positions of, got {self.shapes[:keep]}")
        self.pools = nn.ModuleList(Pooling(shape, pooling) for shape in self.shapes[keep : self.pooled])
        self.norm = nn.LayerNorm(width)

    def forward(self, *values: Tensor, masks: Masks = None, present: Masks = None) -> Tensor:
        """Sources ``(N, ...)`` to ``(N, width)``, or with positions."""
        there: list[Tensor | None] = [None] * len(values) if present is None else list(present)
        answer: Tensor = F.gelu(self.norm(self.join(self._aligned(values, masks), there, values, masks)))
        if not self.keep:
            return answer.squeeze(1)
        if len(self.shapes[0]) == 2:
            return answer
        return answer.transpose(1, 2).reshape(answer.shape[0], self.width, *values[0].shape[2:])

    def _aligned(self, values: Sequence[Tensor], given: Masks) -> list[Tensor]:
        """The sources as ``(N, P, F)``, ``P`` being 1 where positions are not kept."""
        kept = [as_positions(resized(value, values[0].shape[1:])) for value in values[: self.keep]]
        rest = values[self.keep : self.pooled]
        real = [None] * len(rest) if given is None else given[self.keep : self.pooled]
        pooled = [pool(v, m).unsqueeze(1) for pool, v, m in zip(self.pools, rest, real, strict=True)]
        return kept + pooled

    @abstractmethod
    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        """``(N, P, width)`` from the sources.

        Args:
            aligned: the sources that keep positions as ``(N, P, F)``, and those pooled as ``(N, 1, F)``.
            present: the examples that have each source, bool ``(N,)``, or None: all do. What is not there is
                zeros.
            values, given: the sources and their masks as they came.
        """


def _factor(there: Tensor | None, like: Tensor) -> Tensor | float:
    return 1.0 if there is None else there.to(like.dtype).view(-1, 1, 1)


class Sum(Link):
    """A linear map of each source; their sum. Of how many there are the normalisation makes nothing."""

    def __init__(
        self, in_shapes: Sequence[Sequence[int]], width: int, keep: int = 0, pooling: str = "mean"
    ) -> None:
        super().__init__(in_shapes, width, keep, pooling)
        self.maps = nn.ModuleList(nn.Linear(size, width) for size in self.sizes)

    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        factors = [_factor(there, value) for there, value in zip(present, aligned, strict=True)]
        mapped = [m(x) * f for m, x, f in zip(self.maps, aligned, factors, strict=True)]
        total: Tensor = sum(mapped[1:], mapped[0])
        return total


class Concat(Link):
    """One linear map of all sources side by side."""

    def __init__(
        self, in_shapes: Sequence[Sequence[int]], width: int, keep: int = 0, pooling: str = "mean"
    ) -> None:
        super().__init__(in_shapes, width, keep, pooling)
        self.map = nn.Linear(sum(self.sizes), width)

    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        length = aligned[0].shape[1]
        factors = [_factor(there, value) for there, value in zip(present, aligned, strict=True)]
        beside = [(x * f).expand(-1, length, -1) for x, f in zip(aligned, factors, strict=True)]
        answer: Tensor = self.map(torch.cat(beside, 2))
        return answer


class Gate(Link):
    """Gated multimodal unit: each feature is a mixture of the sources, as all of them decide.

    Arevalo et al., Gated Multimodal Units for Information Fusion, 2017, equation 5, for any number of
    sources (the sigmoid is a softmax over them).
    """

    def __init__(
        self, in_shapes: Sequence[Sequence[int]], width: int, keep: int = 0, pooling: str = "mean"
    ) -> None:
        super().__init__(in_shapes, width, keep, pooling)
        self.maps = nn.ModuleList(nn.Linear(size, width) for size in self.sizes)
        self.gate = nn.Linear(sum(self.sizes), width * len(self.sizes))

    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        length = aligned[0].shape[1]
        scores = self.gate(torch.cat([x.expand(-1, length, -1) for x in aligned], 2))
        scores = scores.view(*scores.shape[:2], len(aligned), self.width)
        if any(there is not None for there in present):
            count = scores.shape[0]
            known = [scores.new_ones(count, dtype=torch.bool) if p is None else p for p in present]
            scores = scores.masked_fill(~torch.stack(known, 1)[:, None, :, None], -1e4)
        mapped = torch.stack(
            [torch.tanh(m(x)).expand(-1, length, -1) for m, x in zip(self.maps, aligned, strict=True)], 2
        )
        answer: Tensor = (scores.softmax(2) * mapped).sum(2)
        return answer


class Attend(Link):
    """Cross-attention: the first source asks, every position of the others answers.

    Vaswani et al. 2017, section 3.2, with one learned key that stands for nothing, so that an example whose
    other sources are missing has something to attend to.

    Args:
        heads: the largest number of heads; there are as many as the largest divisor of ``width`` up to it.
    """

    pooled = 1

    def __init__(
        self,
        in_shapes: Sequence[Sequence[int]],
        width: int,
        keep: int = 0,
        pooling: str = "mean",
        heads: int = 4,
    ) -> None:
        super().__init__(in_shapes, width, keep, pooling)
        self.heads = next(n for n in range(min(heads, width), 0, -1) if width % n == 0)
        self.own = nn.Linear(self.sizes[0], width)
        if len(self.sizes) > 1:
            self.query = nn.Linear(self.sizes[0], width)
            self.keys = nn.ModuleList(nn.Linear(size, 2 * width) for size in self.sizes[1:])
            self.nothing = nn.Parameter(torch.randn(2 * width) * 0.02)
            self.out = nn.Linear(width, width)

    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        own: Tensor = self.own(aligned[0])
        if len(values) == 1:
            return own
        count = own.shape[0]
        keys, seen = [self.nothing.expand(count, 1, -1)], [torch.ones(count, 1, device=own.device) > 0]
        for i, embed in enumerate(self.keys, start=1):
            tokens = embed(as_positions(values[i]))
            keys.append(tokens)
            real = given[i] if given else None
            real = seen[0].expand(-1, tokens.shape[1]) if real is None else real
            there = present[i]
            seen.append(real if there is None else real & there.unsqueeze(1))
        key, value = torch.cat(keys, 1).chunk(2, 2)
        answer = F.scaled_dot_product_attention(
            self._split(self.query(aligned[0])),
            self._split(key),
            self._split(value),
            attn_mask=torch.cat(seen, 1)[:, None, None, :],
        )
        mixed: Tensor = self.out(answer.transpose(1, 2).flatten(2))
        return own + mixed

    def _split(self, value: Tensor) -> Tensor:
        return value.view(*value.shape[:2], self.heads, self.width // self.heads).transpose(1, 2)


class LowRank(Link):
    """The outer product of all sources, mapped by a tensor of low rank.

    Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, 2018, equation 6. The
    bias of each factor is the 1 appended to its source; the factor of a missing source is 1.

    Args:
        rank: the rank of the tensor.
    """

    def __init__(
        self,
        in_shapes: Sequence[Sequence[int]],
        width: int,
        keep: int = 0,
        pooling: str = "mean",
        rank: int = 4,
    ) -> None:
        super().__init__(in_shapes, width, keep, pooling)
        self.rank = rank
        self.factors = nn.ModuleList(nn.Linear(size, rank * width) for size in self.sizes)
        self.mix = nn.Parameter(torch.randn(rank) / rank**0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def join(
        self, aligned: list[Tensor], present: list[Tensor | None], values: Sequence[Tensor], given: Masks
    ) -> Tensor:
        product: Tensor | None = None
        for factor, value, there in zip(self.factors, aligned, present, strict=True):
            one = factor(value)
            if there is not None:
                one = torch.where(there.view(-1, 1, 1), one, torch.ones_like(one))
            product = one if product is None else product * one
        assert product is not None
        answer: Tensor = (product.view(*product.shape[:2], self.rank, self.width) * self.mix[:, None]).sum(
            2
        ) + self.bias
        return answer


OPERATORS: dict[str, type[Link]] = {
    "sum": Sum,
    "concat": Concat,
    "gate": Gate,
    "attend": Attend,
    "lowrank": LowRank,
}
"""The operators of a link by name."""
