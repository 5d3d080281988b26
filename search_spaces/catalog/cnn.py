"""The macro space of convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import checked
from search_spaces.catalog.options import one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.space import Space


@checked(SpaceError, only=())
def cnn(
    *,
    stages: int = 3,
    depth: int = 3,
    widths: Sequence[int] = (8, 16, 32, 64),
    blocks: Sequence[str] = ("plain", "residual", "inception"),
    kernels: Sequence[int] = (3, 5),
    downsampling: Sequence[str] = ("none", "stride", "max", "overlapping", "average"),
    stem_widths: Sequence[int] | None = None,
    stem_kernels: Sequence[int] = (3, 5, 7),
    stem_strides: Sequence[int] = (1,),
    dense_layers: int = 2,
    dense_widths: Sequence[int] = (64, 128),
    dense_grids: Sequence[int] = (1, 2, 4),
    dropouts: Sequence[float] = (0.0, 0.25, 0.5),
    activation: str = "relu",
) -> Space:
    """Convolutional networks in stages of plain, residual or inception blocks, for images of any size.

    A stem convolution; stages, each with its kind of block, depth, width, kernel and way to halve the map;
    then either averaging, or fully connected layers over a small grid. The shapes of AlexNet, VGG, GoogLeNet
    and ResNet are points of it, and with larger options so are those networks in full size.

    Args:
        stages: the largest number of stages; there is at least one.
        depth: the largest number of blocks in a stage; there is at least one.
        widths: the numbers of channels a stage may have.
        blocks: the kinds of blocks: ``plain``, ``residual``, ``bottleneck``, ``inception``.
        kernels: the sizes of the blocks' kernels, odd.
        downsampling: the ways of a stage to halve its input: ``none``, ``stride``, ``max``, ``overlapping``
            (3 x 3 max pooling), ``average``.
        stem_widths: the numbers of channels the stem may have; None is ``widths``.
        stem_kernels, stem_strides: the kernel sizes and strides of the stem's convolution.
        dense_layers: the largest number of fully connected layers at the end; 0 to average always.
        dense_widths: the numbers of features they may have.
        dense_grids: the heights (and widths) of the grid to which the last map is averaged before them.
        dropouts: the dropout probabilities after them.
        activation: a name of `search_spaces.blocks.convolution.ACTIVATIONS`.

    Any of these may be a hole of your own, such as ``widths=integer(8, 64, step=8)``.

    Raises:
        SpaceError: an option without values.
    """
    from torch import nn

    from search_spaces.blocks import ConvNormActivation, Stage

    stem = layer(
        ConvNormActivation,
        out_channels=one_of("stem_widths", widths if stem_widths is None else stem_widths),
        kernel_size=one_of("stem_kernels", stem_kernels),
        stride=one_of("stem_strides", stem_strides),
        activation=activation,
    )
    stage = layer(
        Stage,
        out_channels=one_of("widths", widths),
        block=one_of("blocks", blocks),
        depth=up_to("depth", depth),
        kernel_size=one_of("kernels", kernels),
        downsample=one_of("downsampling", downsampling),
        activation=activation,
    )
    body = [stem, repeat(stage, up_to("stages", stages))]
    if dense_layers == 0:
        return Space(sequential(*body))
    dense = sequential(
        layer(nn.Linear, out_features=one_of("dense_widths", dense_widths)),
        layer(nn.ReLU),
        layer(nn.Dropout, p=one_of("dropouts", dropouts)),
    )
    fully_connected = [
        layer(nn.AdaptiveAvgPool2d, output_size=one_of("dense_grids", dense_grids)),
        layer(nn.Flatten),
        repeat(dense, up_to("dense_layers", dense_layers)),
    ]
    return Space(sequential(*body, choice(average=None, dense=fully_connected)))
