"""Convolutions along a sequence: the plain and residual block, and the block of DPCNN."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.convolution import activation_named
from search_spaces.blocks.dense import normalisation_named
from search_spaces.blocks.masks import POOLINGS, halved, shortened, zero_padding


class _Convolution(nn.Conv1d):
    """A convolution over ``(N, L, F)`` that keeps the length; padding counts as zeros."""

    def __init__(
        self, in_features: int, out_features: int, kernel_size: int, dilation: int = 1, bias: bool = True
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"expected an odd kernel_size, got {kernel_size}")
        margin = kernel_size // 2 * dilation
        super().__init__(in_features, out_features, kernel_size, padding=margin, dilation=dilation, bias=bias)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(zero_padding(input, mask).transpose(1, 2)).transpose(1, 2)


class SequenceConvolution(nn.Module):
    """A convolution along a sequence, normalisation, activation, dropout; then pooling, where asked.

    A residual block adds its input before the activation, projected where the number of features changes, as
    in the residual networks for series of Wang et al., Time Series Classification from Scratch, 2017, and
    Bai et al., An Empirical Evaluation of Generic Convolutional and Recurrent Networks, 2018 (dilation).

    Args:
        in_features, out_features: the number of features of a position, before and after.
        kernel_size: the length of the kernel, odd.
        dilation: the number of steps between the positions that a kernel sees.
        normalisation: a name of `search_spaces.blocks.dense.NORMALISATIONS`; ``batch`` counts padding in
            training. A trained network normalises each position by itself, whatever follows.
        activation: a name of `search_spaces.blocks.convolution.ACTIVATIONS`, or None for none.
        residual: whether the input is added.
        dropout: the probability that a feature is left out in training.
        pooling: the pooling that halves the length, rounded up: ``none``, ``max`` or ``average``.

    Raises:
        ValueError: an even kernel, or an unknown normalisation, activation or pooling.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int = 3,
        dilation: int = 1,
        normalisation: str = "batch",
        activation: str | None = "relu",
        residual: bool = False,
        dropout: float = 0.0,
        pooling: str = "none",
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"expected pooling from {', '.join(POOLINGS)}, got {pooling!r}")
        # batch normalisation subtracts the mean, so that a bias would do nothing
        bias = normalisation != "batch"
        self.convolution = _Convolution(in_features, out_features, kernel_size, dilation, bias)
        self.norm = normalisation_named(normalisation, out_features)
        self.shortcut: nn.Module | None = None
        if residual:
            same = in_features == out_features
            self.shortcut = nn.Identity() if same else nn.Linear(in_features, out_features, bias=False)
        self.activation = activation_named(activation)
        self.dropout = nn.Dropout(dropout)
        self.pooling = pooling

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L, in_features)`` to ``(N, L, out_features)``, with pooling ``(N, L / 2, out_features)``."""
        answer = self.norm(self.convolution(input, mask))
        if self.shortcut is not None:
            answer = answer + self.shortcut(input)
        answer = halved(self.dropout(self.activation(answer)), mask, self.pooling)
        return zero_padding(answer, shortened(mask, answer.shape[1]))

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """A kernel of one position has no dilation."""
        dilation = 1 if arguments["kernel_size"] == 1 else arguments["dilation"]
        known = {name: value for name, value in arguments.items() if name != "in_features"}
        return {"$sequence_convolution": {**known, "dilation": dilation}}


class PyramidBlock(nn.Module):
    """The block of DPCNN: the length is halved, then two convolutions around which their input is added.

    Activations come before the convolutions, and the number of features stays, so that the input is added
    as it is. Max pooling of three positions with stride two.
    Johnson and Zhang, Deep Pyramid Convolutional Neural Networks for Text Categorization, 2017, figure 1a.

    Args:
        in_features: the number of features of a position, before and after.
        kernel_size: the length of the convolutions' kernels, odd.
        activation: a name of `search_spaces.blocks.convolution.ACTIVATIONS`.
        dropout: the probability that a feature is left out between the convolutions in training.
        pooling: the pooling that halves the length, rounded up: ``max`` or ``average``; ``none`` in the first
            block.

    Raises:
        ValueError: an even kernel, or an unknown activation or pooling.
    """

    def __init__(
        self,
        in_features: int,
        kernel_size: int = 3,
        activation: str = "relu",
        dropout: float = 0.0,
        pooling: str = "max",
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"expected pooling from {', '.join(POOLINGS)}, got {pooling!r}")
        self.first = _Convolution(in_features, in_features, kernel_size)
        self.second = _Convolution(in_features, in_features, kernel_size)
        self.activation = activation_named(activation)
        self.dropout = nn.Dropout(dropout)
        self.pooling = pooling

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L, in_features)`` to ``(N, L / 2, in_features)``, or the same length without pooling."""
        shorter = halved(input, mask, self.pooling, kernel_size=3)
        mask = shortened(mask, shorter.shape[1])
        answer = self.first(self.activation(shorter), mask)
        answer = self.second(self.dropout(self.activation(answer)), mask)
        return zero_padding(answer + shorter, mask)
