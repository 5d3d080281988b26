"""The heads a task may have, by its kind."""

from __future__ import annotations

from typing import Any

from search_spaces.holes import choice
from search_spaces.nodes import layer
from search_spaces.signature import DenseMap, Generation, Retrieval, Tagging, Task


def head(task: Task, *, positions: bool = True) -> Any:
    """Heads for a task: how features are pooled, a hidden layer or none, dropout; for tags also a CRF.

    Args:
        task: the task that is served.
        positions: whether features come with positions, so that there is something to pool.
    """
    from search_spaces.blocks import CrfHead, DenseHead, GenerationHead, Head, RetrievalHead

    hidden, dropout = choice(0, 128), choice(0.0, 0.3)
    if isinstance(task, Tagging):
        return choice(
            softmax=layer(Head, hidden=hidden, dropout=dropout),
            crf=layer(CrfHead, hidden=hidden, dropout=dropout),
        )
    if isinstance(task, Retrieval):
        return layer(RetrievalHead, hidden=hidden, dropout=dropout)
    if isinstance(task, Generation):
        return layer(GenerationHead, hidden=choice(64, 128), dropout=dropout)
    if isinstance(task, DenseMap):
        return layer(DenseHead, hidden=hidden, dropout=dropout)
    pooling = {"pooling": choice("mean", "max", "attention")} if positions else {}
    return layer(Head, **pooling, hidden=hidden, dropout=dropout)
