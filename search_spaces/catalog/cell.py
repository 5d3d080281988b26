"""The space of NAS-Bench-201: one searched cell, stacked in a fixed skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from search_spaces.arguments import AtLeast, Count, checked
from search_spaces.bounds import MOST, beyond
from search_spaces.catalog.options import one_of
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.space import Space


@checked(SpaceError)
def cell(
    *,
    channels: Count | Sequence[Count] = 16,
    cells: Count | Sequence[Count] = 5,
    nodes: Annotated[int, AtLeast(2)] = 4,
    operations: Sequence[str] = (
        "none",
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
    ),
) -> Space:
    """The NAS-Bench-201 cell, stacked: one operation for each edge of a small graph, the same in all cells.

    A stem convolution; three stages of ``cells`` cells with ``channels``, twice and four times as many, and a
    residual block that halves the map between them; normalisation. The defaults are the benchmark's. The
    decisions are named as the edges: ``"1<-0"`` says what is on the edge from node 0 to node 1.

    Args:
        channels: the channels of the first stage; or several numbers to choose from.
        cells: the number of cells in each stage; or several numbers to choose from.
        nodes: the number of nodes of a cell, input and output included.
        operations: the operations an edge may have.

    Raises:
        SpaceError: a number below its least, or an option without values.
    """
    from torch import nn

    from search_spaces.blocks import Cell, ConvNormActivation, Reduction
    from search_spaces.blocks.cell_identity import edge_names

    widths, depths = (one if isinstance(one, Sequence) else (one,) for one in (channels, cells))
    if nodes * (nodes - 1) // 2 > MOST.parts:
        raise SpaceError(beyond("parts", f"the edges between {nodes:,} nodes"))
    edges = {name: choice(*operations, name=name) for name in edge_names(nodes)}
    depth = depths[0] if len(depths) == 1 else choice(*depths, name="cells")
    stage = repeat(layer(Cell, edges=edges, nodes=nodes), depth)
    return Space(
        sequential(
            layer(ConvNormActivation, out_channels=one_of("channels", widths), activation=None),
            stage,
            layer(Reduction),
            stage,
            layer(Reduction),
            stage,
            layer(nn.BatchNorm2d),
            layer(nn.ReLU),
        )
    )
