"""Where rows of tables enter a network, as vectors or as tokens; the residual layers of networks for them.

Gorishniy, Rubachev, Khrulkov and Babenko, Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021;
Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.blocks.convolution import activation_named
from search_spaces.blocks.dense import normalisation_named


def embedding_size(count: int, most: int) -> int:
    """Returns the number of features of an embedded category, by the rule of thumb of fastai.

    It is ``1.6 * count ** 0.56``, rounded (Howard and Gugger, fastai: A Layered API for Deep Learning, 2020).

    Args:
        count: the count of categories of the column.
        most: the largest number of features.
    """
    return min(most, round(1.6 * math.pow(count, 0.56)))


class CategoryEmbeddings(nn.ModuleList):
    """An embedding for each categorical column of a row; a missing value, category 0, begins as zeros.

    Args:
        counts: the count of categories of each column.
        sizes: the number of features of each embedded column.
        bound: the largest absolute number at first, of a uniform distribution; None: a normal one.
    """

    def __init__(self, counts: Sequence[int], sizes: Sequence[int], bound: float | None = None) -> None:
        embeddings = [nn.Embedding(count, size) for count, size in zip(counts, sizes, strict=True)]
        super().__init__(embeddings)
        for embedding in embeddings:
            if bound is not None:
                nn.init.uniform_(embedding.weight, -bound, bound)
            # a training where nothing is missing leaves it so: what was never seen says nothing
            nn.init.zeros_(embedding.weight[0])

    def forward(self, columns: Tensor) -> list[Tensor]:
        """Numbers of categories as floats ``(N, columns)`` to a tensor ``(N, size)`` for each column."""
        return [embedding(columns[:, place].long()) for place, embedding in enumerate(self)]


class PeriodicEmbedding(nn.Module):
    """Numbers, each as features: sines and cosines, a linear layer of its own, ReLU.

    "PLR" of Gorishniy et al., 2022, section 3.3: ``ReLU(Linear([sin(2 pi c x), cos(2 pi c x)]))``. The
    frequencies ``c`` are learned; how widely they are spread at first counts the most.

    Args:
        numbers: the number of columns.
        features: the number of features of each column.
        frequencies: the number of frequencies of each column.
        sigma: the standard deviation of the frequencies at first.
    """

    def __init__(self, numbers: int, features: int, frequencies: int = 16, sigma: float = 0.1) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.empty(numbers, frequencies))
        self.weight = nn.Parameter(torch.empty(numbers, 2 * frequencies, features))
        self.bias = nn.Parameter(torch.empty(numbers, features))
        nn.init.normal_(self.frequencies, std=sigma)
        bound = 1 / math.sqrt(2 * frequencies)  # as in `nn.Linear`
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, numbers)`` to ``(N, numbers, features)``."""
        angles = input.unsqueeze(-1) * self.frequencies * (2 * math.pi)
        waves = torch.cat([angles.sin(), angles.cos()], -1)
        answer: Tensor = (waves.transpose(0, 1) @ self.weight).transpose(0, 1)
        return (answer + self.bias).relu()


def _periodic(numbers: int, features: int, frequencies: int, sigma: float) -> PeriodicEmbedding | None:
    """Returns what embeds numbers; None where they are not embedded, or there are none."""
    if frequencies < 0:
        raise ValueError(f"expected frequencies >= 0, got {frequencies}")
    return PeriodicEmbedding(numbers, features, frequencies, sigma) if frequencies and numbers else None


class RowEmbedding(nn.Module):
    """Rows of a table as vectors: numbers as they are or embedded, beside them an embedding of each category.

    Args:
        in_features: the number of columns.
        categories: the count of categories of each of the last columns. Found when the network is built.
        embedding_dim: the largest number of features of an embedded category; see `embedding_size`.
        frequencies: the number of frequencies by which each number is embedded (`PeriodicEmbedding`); 0:
            numbers go on as they are.
        sigma: the standard deviation of the frequencies at first.
        features: the number of features of each embedded number.

    Raises:
        ValueError: frequencies below 0.
    """

    def __init__(
        self,
        in_features: int,
        categories: Sequence[int],
        embedding_dim: int = 32,
        frequencies: int = 0,
        sigma: float = 0.1,
        features: int = 16,
    ) -> None:
        super().__init__()
        self.numbers = in_features - len(categories)
        self.periodic = _periodic(self.numbers, features, frequencies, sigma)
        sizes = [embedding_size(count, embedding_dim) for count in categories]
        self.categories = CategoryEmbeddings(categories, sizes)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, columns)`` to ``(N, F)``."""
        numbers = input[:, : self.numbers]
        if self.periodic is not None:
            numbers = self.periodic(numbers).flatten(1)
        embedded = self.categories(input[:, self.numbers :])
        return torch.cat([numbers, *embedded], 1) if embedded else numbers

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Without frequencies nothing else is said of them."""
        known = {name: value for name, value in arguments.items() if name != "in_features"}
        if not known["frequencies"]:
            del known["sigma"], known["features"]
        return {"$row_embedding": known}


class FeatureTokenizer(nn.Module):
    """Rows of a table as sequences: a class token, and a token for each column.

    That of FT-Transformer (Gorishniy et al., 2021, section 3.3): a number is a multiple of a learned vector,
    a category an embedding, and each column has a bias. With frequencies numbers are embedded as in
    `PeriodicEmbedding` instead.

    Args:
        in_features: the number of columns.
        categories: the count of categories of each of the last columns. Found when the network is built.
        embedding_dim: the number of features of a token.
        frequencies: the number of frequencies by which each number is embedded; 0: none.
        sigma: the standard deviation of the frequencies at first.

    Raises:
        ValueError: frequencies below 0.
    """

    def __init__(
        self,
        in_features: int,
        categories: Sequence[int],
        embedding_dim: int = 64,
        frequencies: int = 0,
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        self.numbers = in_features - len(categories)
        self.periodic = _periodic(self.numbers, embedding_dim, frequencies, sigma)
        self.weight: nn.Parameter | None = None
        if self.periodic is None and self.numbers:
            self.weight = nn.Parameter(torch.empty(self.numbers, embedding_dim))
        bound = 1 / math.sqrt(embedding_dim)
        self.categories = CategoryEmbeddings(categories, [embedding_dim] * len(categories), bound)
        self.bias = nn.Parameter(torch.empty(1 + in_features, embedding_dim))
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                nn.init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, columns)`` to ``(N, 1 + columns, embedding_dim)``; first is the class token."""
        tokens = [embedded.unsqueeze(1) for embedded in self.categories(input[:, self.numbers :])]
        numbers = input[:, : self.numbers]
        if self.periodic is not None:
            tokens.insert(0, self.periodic(numbers))
        elif self.weight is not None:
            tokens.insert(0, numbers.unsqueeze(-1) * self.weight)
        # the class token is the first bias, added to nothing
        nothing = self.bias.new_zeros(input.shape[0], 1, self.bias.shape[1])
        return torch.cat([nothing, *tokens], 1) + self.bias

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Without frequencies nothing is said of how they are spread."""
        known = {name: value for name, value in arguments.items() if name != "in_features"}
        if not known["frequencies"]:
            del known["sigma"]
        return {"$feature_tokenizer": known}


class ClassToken(nn.Module):
    """Sequences as vectors: what has become of the first token, normalised, with ReLU.

    Args:
        d_model: the number of features of a token.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, L, d_model)`` to ``(N, d_model)``."""
        answer: Tensor = self.norm(input[:, 0])
        return answer.relu()


class ResidualDense(nn.Module):
    """Two linear layers around which their input is added: the block of ResNets for tables.

    Normalisation, linear layer, activation, dropout, linear layer, dropout (Gorishniy et al., 2021, section
    3.2). Works on the last axis.

    Args:
        in_features: the number of features, before and after.
        ratio: the number of features between the two layers, in multiples of ``in_features``.
        normalisation: a name of `search_spaces.blocks.dense.NORMALISATIONS`.
        activation: a name of `search_spaces.blocks.convolution.ACTIVATIONS`.
        dropout: the probability that a feature between the two layers is left out in training.
        residual_dropout: the probability that a feature of what is added is left out in training.

    Raises:
        ValueError: an unknown normalisation or activation.
    """

    def __init__(
        self,
        in_features: int,
        ratio: float = 2.0,
        normalisation: str = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        middle = max(1, round(in_features * ratio))
        self.norm = normalisation_named(normalisation, in_features)
        self.branch = nn.Sequential(
            nn.Linear(in_features, middle),
            activation_named(activation),
            nn.Dropout(dropout),
            nn.Linear(middle, in_features),
            nn.Dropout(residual_dropout),
        )

    def forward(self, input: Tensor) -> Tensor:
        """``(..., F)`` to the same."""
        answer: Tensor = input + self.branch(self.norm(input))
        return answer
