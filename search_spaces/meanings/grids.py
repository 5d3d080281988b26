"""Layers whose features stand in a grid: a feature of another size of them keeps its row and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from search_spaces.blocks.attention import SelfAttention
from search_spaces.blocks.backbone.links import Attend, Gate, LowRank
from search_spaces.blocks.backbone.sharing import TaskAttention

Grids = Mapping[str, tuple[int, ...]]
"""By the name of a tensor in the module, how the features stand that it makes."""


def _heads(module: Any) -> Grids:
    each = module.join.in_features // module.heads
    return {"project.weight": (3, module.heads, each), "project.bias": (3, module.heads, each)}


def _attend(module: Any) -> Grids:
    if len(module.sizes) == 1:
        return {}
    each = module.width // module.heads
    pairs = {f"keys.{i}.weight": (2, module.heads, each) for i in range(len(module.keys))}
    return {"query.weight": (module.heads, each), "nothing": (2, module.heads, each), **pairs}


def _gate(module: Any) -> Grids:
    return {"gate.weight": (len(module.sizes), module.width)}


def _low_rank(module: Any) -> Grids:
    return {f"factors.{i}.weight": (module.rank, module.width) for i in range(len(module.factors))}


def _task_attention(module: Any) -> Grids:
    return {f"keys.{i}.weight": (2, module.width) for i in range(len(module.keys))}


def _multihead(module: Any) -> Grids:
    each = module.embed_dim // module.num_heads
    grid = (module.num_heads, each)
    return {
        "in_proj_weight": (3, *grid),
        **{f"{one}_proj_weight": grid for one in "qkv"},
    }


_GRIDS: dict[type[nn.Module], Callable[[Any], Grids]] = {
    SelfAttention: _heads,
    Attend: _attend,
    Gate: _gate,
    LowRank: _low_rank,
    TaskAttention: _task_attention,
    nn.MultiheadAttention: _multihead,
}


def grids_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Returns how features stand in a grid, by the name of the tensor of a network that makes them."""
    found = {}
    for name, module in network.named_modules():
        make = _GRIDS.get(type(module))
        if make is not None:
            found.update({f"{name}.{tensor}": grid for tensor, grid in make(module).items()})
    return found
