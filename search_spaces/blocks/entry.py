"""The first layer of models for any kind of input: from images, series, rows or tokens to vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks.tabular import CategoryEmbeddings, embedding_size


class ToVector(nn.Module):
    """Any input as one vector per example: numbers are flattened, tokens and categories embedded.

    Each step of a series has features of its own: padding is zeros there, and so says as much as steps of the
    mean of the data.

    Args:
        vocabulary: the number of different tokens, None when the input is numbers. Found when the network is
            built.
        embedding_dim: the number of features of an embedded token; the largest one of an embedded category.
        join: the fate of the embedded tokens of a text: their ``mean`` (padding, token 0, left out), or
            ``flatten`` to keep their order.
        categories: the counts of categories of the last columns of a row; none of what is no row. Found when
            the network is built.

    Raises:
        ValueError: another ``join``.
    """

    def __init__(
        self,
        vocabulary: int | None = None,
        embedding_dim: int = 32,
        join: str = "mean",
        categories: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if join not in ("mean", "flatten"):
            raise ValueError(f"expected join 'mean' or 'flatten', got {join!r}")
        self.join = join
        self.embedding: nn.Embedding | None = None
        if vocabulary is not None:
            self.embedding = nn.Embedding(vocabulary, embedding_dim, padding_idx=0)
        self.categories: CategoryEmbeddings | None = None
        if categories:
            sizes = [embedding_size(count, embedding_dim) for count in categories]
            self.categories = CategoryEmbeddings(categories, sizes)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, ...)`` floats or ``(N, L)`` tokens to ``(N, F)``."""
        if self.categories is not None:
            numbers = input.shape[1] - len(self.categories)
            return torch.cat([input[:, :numbers], *self.categories(input[:, numbers:])], 1)
        if self.embedding is None:
            return input.flatten(1)
        embedded: Tensor = self.embedding(input)
        if self.join == "flatten":
            return embedded.flatten(1)
        # padding is embedded as zeros, so that only the count must leave it out
        count = torch.count_nonzero(input, 1).clamp(min=1).unsqueeze(1)
        return embedded.sum(1) / count
