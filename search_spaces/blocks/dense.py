"""The fully connected layer with its normalisation, activation and dropout."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.blocks.convolution import ACTIVATIONS, activation_named
from search_spaces.blocks.parallel import Parallel
from search_spaces.nodes import Layer, Sequential


class FeatureBatchNorm(nn.Module):
    """Batch normalisation of the last axis: all other axes together are the batch.

    Args:
        in_features: the size of the last axis.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        # a part, not a base: where processes share a batch, torch puts its SyncBatchNorm in its place
        self.norm = nn.BatchNorm1d(in_features)

    def forward(self, input: Tensor) -> Tensor:
        """``(..., F)`` to the same."""
        answer: Tensor = self.norm(input.reshape(-1, input.shape[-1]))
        return answer.view(input.shape)


NORMALISATIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "batch": FeatureBatchNorm,
    "layer": nn.LayerNorm,
}
"""Normalisations of the last axis by name."""


def normalisation_named(name: str, features: int) -> nn.Module:
    """Returns a new normalisation of ``features`` on the last axis.

    Raises:
        ValueError: there is no normalisation of that name.
    """
    if name not in NORMALISATIONS:
        raise ValueError(f"expected normalisation from {', '.join(NORMALISATIONS)}, got {name!r}")
    return NORMALISATIONS[name](features)


class Dense(nn.Sequential):
    """A hidden layer of a multi-layer perceptron: linear, normalisation, activation, dropout.

    Works on the last axis, so that a sequence keeps its positions. Batch normalisation counts every
    position, padding included.

    Args:
        in_features: the number of features before.
        out_features: the number of features that it makes of them.
        normalisation: a name of `NORMALISATIONS`.
        activation: a name of `ACTIVATIONS`, or None for none.
        dropout: the probability that a feature is left out in training.
        wide: whether the input goes on beside what is made of it: then there are ``out_features`` and
            ``in_features`` after it.

    Raises:
        ValueError: an unknown normalisation or activation.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        normalisation: str = "none",
        activation: str | None = "relu",
        dropout: float = 0.0,
        wide: bool = False,
    ) -> None:
        super().__init__(
            # batch normalisation subtracts the mean, so that a bias would do nothing
            nn.Linear(in_features, out_features, bias=normalisation != "batch"),
            normalisation_named(normalisation, out_features),
            activation_named(activation),
            nn.Dropout(dropout),
        )
        self.wide = wide

    def forward(self, input: Tensor) -> Tensor:
        """``(..., in_features)`` to ``(..., features after it)``."""
        answer: Tensor = super().forward(input)  # type: ignore[no-untyped-call]
        return torch.cat([answer, input], dim=-1) if self.wide else answer

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Sequential | Layer:
        """The same layer as torch's layers in a row, and where it is wide, nothing in parallel to them."""
        normalisation, activation = arguments["normalisation"], arguments["activation"]
        linear: dict[str, Any] = {"out_features": arguments["out_features"]}
        if normalisation == "batch":
            linear["bias"] = False
        parts = [Layer(nn.Linear, linear)]
        if normalisation != "none":
            parts.append(Layer(NORMALISATIONS[normalisation], {}))
        if activation is not None:
            parts.append(Layer(ACTIVATIONS[activation], {}))
        row = Sequential((*parts, Layer(nn.Dropout, {"p": arguments["dropout"]})))
        return Layer(Parallel, {"branches": [row, Layer(nn.Identity, {})]}) if arguments["wide"] else row
