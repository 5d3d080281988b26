"""The cell of NAS-Bench-201: a small graph with an operation on every edge; and its reduction block.

Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, 2020, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.cell_identity import OPERATIONS, canonical_cell, edge_names, live_edges
from search_spaces.nodes import Sequential

_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


class Cell(nn.Module):
    """A graph of nodes 0 (the input), 1, ... up to the last (the output), every earlier one joined to it.

    A node is the sum of its edges' answers. An operation is one of ``none`` (no edge), ``skip_connect``,
    ``nor_conv_1x1`` and ``nor_conv_3x3`` (ReLU, convolution, batch normalisation) and ``avg_pool_3x3``.
    An edge acts only on a path from input to output: one from a node that the input does not reach, or to a
    node that does not reach the output, has no parameters and carries nothing. (In the
    benchmark's own code a convolution of nothing answers its normalisation's bias; in its paper and here it
    answers nothing.)
    A cell with no path from input to output answers zeros, with zero gradients.

    Args:
        in_channels: the channels of the maps, before and after.
        edges: the operation of each edge; that from node 0 to node 1 is ``"1<-0"``. One left out is ``none``.
        nodes: the number of nodes, input and output included.

    Raises:
        ValueError: an unknown edge or operation, or a number of nodes that `edge_names` refuses.
    """

    def __init__(self, in_channels: int, edges: Mapping[str, str], nodes: int = 4) -> None:
        super().__init__()
        self.nodes = nodes
        self.sources: list[list[tuple[int, str]]] = [[] for _ in range(nodes)]
        self.operations, said = nn.ModuleDict(), {}
        for target, source, operation in live_edges(_in_order(edges, nodes), nodes):
            name = f"{target}<-{source}"
            self.sources[target].append((source, name))
            self.operations[name] = _operation(operation, in_channels)
            said[name] = operation
        self.operations.said = said  # type: ignore[assignment]  # their classes do not tell them apart

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to the same."""
        values: list[Tensor | None] = [input]
        for sources in self.sources[1:]:
            value: Tensor | None = None
            for source, name in sources:
                answer = self.operations[name](values[source])
                value = answer if value is None else value + answer
            values.append(value)
        # the product keeps what came before in the graph, so that its gradients are zeros, not missing
        return input * 0 if values[-1] is None else values[-1]

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """The cell up to the rules of `search_spaces.blocks.cell_identity`"""
        nodes: int = arguments["nodes"]
        form = canonical_cell(tuple(_in_order(arguments["edges"], nodes)), nodes)
        return Sequential(()) if form == "x" else {"$cell": form}


class Reduction(nn.Module):
    """The residual block between the stages of a cell network: halves the map, widens it to ``out_channels``.

    As `ResNetBasicblock` of the benchmark: two ReLU-convolution-normalisations, and a shortcut of average
    pooling and a 1 x 1 convolution. Odd heights and widths are rounded up.

    Args:
        in_channels, out_channels: the channels of the map before and after; None: twice as many as before.
    """

    def __init__(self, in_channels: int, out_channels: int | None = None) -> None:
        super().__init__()
        out_channels = 2 * in_channels if out_channels is None else out_channels
        self.body = nn.Sequential(
            _relu_conv_norm(in_channels, out_channels, 3, stride=2),
            _relu_conv_norm(out_channels, out_channels, 3),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H / 2, W / 2)``."""
        answer: Tensor = self.body(input) + self.shortcut(input)
        return answer


def _in_order(edges: Mapping[str, str], nodes: int) -> list[str]:
    """The operations in the order of `edge_names`.

    Raises:
        ValueError: an unknown edge or operation.
    """
    names = edge_names(nodes)
    unknown = [name for name in edges if name not in names]
    if unknown:
        raise ValueError(f"expected edges from {', '.join(names)}, got {unknown[0]!r}")
    operations = [edges.get(name, "none") for name in names]
    for operation in operations:
        if operation not in OPERATIONS:
            raise ValueError(f"expected an operation from {', '.join(OPERATIONS)}, got {operation!r}")
    return operations


def _operation(name: str, channels: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return _relu_conv_norm(channels, channels, _KERNELS[name])


def _relu_conv_norm(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )
