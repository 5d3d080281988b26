"""The space of networks for series: convolutions along them, and recurrent layers after these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.options import of_kind, one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import Layer, layer, repeat, sequential
from search_spaces.space import Space

KINDS = ("conv", "lstm", "gru")
"""The kinds of stages there are."""


@checked(SpaceError, only=())
def series(
    *,
    stages: int = 3,
    recurrent_stages: int = 2,
    widths: Sequence[int] = (16, 32, 64, 128),
    kinds: Sequence[str] = KINDS,
    kernels: Sequence[int] = (3, 5, 9),
    dilations: Sequence[int] = (1, 2, 4),
    pooling: Sequence[str] = ("none", "max", "average"),
    bidirectional: Sequence[bool] = (False, True),
    normalisation: str = "batch",
    activation: str = "relu",
    dropouts: Sequence[float] = (0.0, 0.1, 0.3),
) -> Space:
    """Convolutional stages for series of any length, each with its own width, and recurrent ones after them.

    A convolution, residual or not, has its kernel, dilation and way to halve the length; an LSTM or a GRU
    goes in one direction or in both. Plain CNNs, residual and dilated ones, and recurrent networks on
    convolutions are points of it; without ``conv`` among the kinds, stacked recurrent networks. All stages
    answer series.

    Args:
        stages: the largest number of convolutions (or without these of recurrent stages); there is at least
            one.
        recurrent_stages: the largest number of recurrent stages after convolutions. They take their time step
            by step, ten times that of convolutions where nothing has shortened the series.
        widths: the numbers of features a stage may have; each of two directions has half.
        kinds: the kinds of stages: ``conv``, ``lstm``, ``gru``.
        kernels, dilations: the sizes of the convolutions' kernels, which are odd, and their dilations.
        pooling: the ways to halve the length after a convolution: ``none``, ``max``, ``average``.
        bidirectional: whether a recurrent stage reads backwards too.
        normalisation: the normalisation after a convolution, a name of
            `search_spaces.blocks.dense.NORMALISATIONS`.
        activation: the activation after a convolution, a name of
            `search_spaces.blocks.convolution.ACTIVATIONS`.
        dropouts: the dropout probabilities after a stage.

    Any of these but ``kinds`` may be a hole of your own, such as ``widths=integer(8, 64, step=8)``.

    Raises:
        SpaceError: an option without values, or another kind.
    """
    from search_spaces.blocks import Recurrent, SequenceConvolution

    width, dropout = one_of("widths", widths), one_of("dropouts", dropouts)

    def recurrent(cell: str) -> Layer:
        return layer(
            Recurrent,
            out_features=width,
            cell=cell,
            bidirectional=one_of("bidirectional", bidirectional),
            dropout=dropout,
        )

    convolution = layer(
        SequenceConvolution,
        out_features=width,
        kernel_size=one_of("kernels", kernels),
        dilation=one_of("dilations", dilations),
        normalisation=normalisation,
        activation=activation,
        residual=choice(False, True),
        dropout=dropout,
        pooling=one_of("pooling", pooling),
    )
    known = {"conv": convolution, "lstm": recurrent("lstm"), "gru": recurrent("gru")}
    any_kind, depth = of_kind("kinds", kinds, known), up_to("stages", stages)
    deep = up_to("recurrent_stages", recurrent_stages)
    after: dict[str, Any] = {kind: repeat(known[kind], deep) for kind in kinds if kind != "conv"}
    if "conv" not in kinds or not after:
        return Space(sequential(repeat(any_kind, depth)))
    return Space(sequential(repeat(convolution, depth), choice(none=None, **after)))
