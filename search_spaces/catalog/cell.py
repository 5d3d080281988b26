"""The space of NAS-Bench-201: one searched cell, stacked in a fixed skeleton."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import Layer, layer, sequential
from search_spaces.space import Space


def cell(
    *,
    channels: int = 16,
    cells: int = 5,
    nodes: int = 4,
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
        channels: of the first stage.
        cells: in each stage.
        nodes: of a cell, input and output included.
        operations: what an edge may be.

    Raises:
        SpaceError: a number below its least.
    """
    from torch import nn

    from search_spaces.blocks import Cell, ConvNormActivation, Reduction
    from search_spaces.blocks.cell_identity import edge_names

    for name, number, least in (("channels", channels, 1), ("cells", cells, 1), ("nodes", nodes, 2)):
        if not isinstance(number, int) or number < least:
            raise SpaceError(f"cell({name}=...): expected a whole number >= {least}, got {number!r}")
    edges = {name: choice(*operations, name=name) for name in edge_names(nodes)}
    body: list[Layer] = []
    for stage in range(3):
        if stage:
            body.append(layer(Reduction, out_channels=channels * 2**stage))
        body += [layer(Cell, edges=edges, nodes=nodes)] * cells
    return Space(
        sequential(
            layer(ConvNormActivation, out_channels=channels, activation=None),
            *body,
            layer(nn.BatchNorm2d),
            layer(nn.ReLU),
        )
    )
