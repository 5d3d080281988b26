"""Branches side by side on one input, joined by sum or concatenation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.canonical import canonical

_AXES = {2: -1, 3: -1, 4: 1, 5: 1}
"""The axis of the features by the number of axes: vectors and series last, maps second."""


def concatenate(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side along their features: the last axis of vectors and series, channels of maps."""
    if len(tensors) == 1:
        return tensors[0]
    return torch.cat(list(tensors), dim=_AXES[tensors[0].dim()])


class Parallel(nn.Module):
    """Branches that all see the same input; their answers are concatenated or summed.

    The order of the branches does not count for the identity of an architecture: a concatenation in another
    order is the same network with the weights of what follows permuted.

    Args:
        branches: modules; None is no branch (`nn.Identity` is one that passes its input on).
        join: ``concat`` (along the features) or ``sum``.

    Raises:
        ValueError: no branch at all, or another ``join``.
    """

    def __init__(self, branches: Sequence[nn.Module | None], join: str = "concat") -> None:
        super().__init__()
        there = [branch for branch in branches if branch is not None]
        if not there:
            raise ValueError("expected at least one branch, got none")
        if join not in ("concat", "sum"):
            raise ValueError(f"expected join 'concat' or 'sum', got {join!r}")
        self.branches = nn.ModuleList(there)
        self.join = join

    def forward(self, input: Tensor) -> Tensor:
        """Any tensor that every branch takes, to the join of their answers."""
        answers = [_lone(branch(input)) for branch in self.branches]
        if self.join == "concat":
            return concatenate(answers)
        total = answers[0]
        for answer in answers[1:]:
            total = total + answer
        return total

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Branches in alphabetical order, None left out; a single one is itself."""
        branches = [branch for branch in arguments.get("branches", ()) if branch is not None]
        if len(branches) == 1:
            return branches[0]
        forms = sorted(map(canonical, branches), key=lambda form: json.dumps(form, sort_keys=True))
        return {"$parallel": forms, "join": arguments.get("join")}


def _lone(answer: Any) -> Tensor:
    """A tensor, out of the tuple that recurrent layers answer."""
    first: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return first
