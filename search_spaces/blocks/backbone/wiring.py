"""The parts and calls of a graph while it is put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from search_spaces.blocks.backbone.call_name import CallName
from search_spaces.blocks.graph import Graph, in_order
from search_spaces.nodes import Layer, Sequential


class Wiring:
    """Collects parts and calls; equal names are one and the same."""

    def __init__(self) -> None:
        self.parts: dict[str, Layer | Sequential] = {}
        self.calls: dict[str, list[str]] = {}

    def call(self, name: CallName, part: str, *sources: str) -> str:
        """Adds a call of a part that is there. Returns its name as text."""
        text = str(name)
        self.calls[text] = [part, *sources]
        return text

    def add(self, name: CallName, layer: Layer | Sequential, *sources: str) -> str:
        """Adds a part and its only call, both of this name. Returns it as text."""
        text = self.call(name, str(name), *sources)
        self.parts[text] = layer
        return text

    def join(self, name: CallName, factory: Callable[..., nn.Module], *sources: str, **arguments: Any) -> str:
        """Adds a part of one of our classes, as `add` does."""
        return self.add(name, Layer(factory, arguments), *sources)

    def graph(
        self,
        outputs: Mapping[str, Sequence[str]],
        embeddings: Mapping[str, str],
        ties: Sequence[Sequence[str]],
        private: Sequence[Sequence[str]],
    ) -> Layer:
        """The graph of the calls that are needed; see `Graph` for the arguments."""
        beside = [*embeddings.values(), *(name for pair in private for name in pair)]
        calls = {name: list(call) for name, call in in_order(self.calls, outputs, beside)}
        used = {call[0] for call in calls.values()}
        groups = [[part for part in group if part in used] for group in ties]
        return Layer(
            Graph,
            {
                "parts": {name: part for name, part in self.parts.items() if name in used},
                "calls": calls,
                "outputs": {task: list(names) for task, names in outputs.items()},
                "embeddings": dict(embeddings),
                "ties": [group for group in groups if len(group) > 1],
                "private": [list(pair) for pair in private],
            },
        )
