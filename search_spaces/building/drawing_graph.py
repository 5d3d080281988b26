"""Pictures of graphs in text: streams with their stages, who owns them, links, and what heads receive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from search_spaces.blocks.backbone.call_name import ATTENTION, LINK, CallName
from search_spaces.nodes import Layer

if TYPE_CHECKING:
    from search_spaces.building.plan import Plan

Row = tuple[str, str, str]
"""A line of the picture: what it is, the shape of its answer, its parameters."""

_JOINS = {
    "stitch": "cross-stitched with the others'",
    "mask": "seen through a mask",
    "route": "a mixture of the experts",
    "beside": "shared beside private",
}
"""What stands at a stage beside the stage itself, in words."""


@dataclass
class _Stage:
    """What a stage consists of: its copies and what joins them."""

    layer: Any = None
    owners: list[tuple[str, ...]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    joins: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    experts: int = 0


def graph_rows(graph: Layer, where: str, plan: Plan | None, text: Callable[[Any], str]) -> list[Row]:
    """Returns the lines of a graph that a backbone stands for.

    Args:
        graph: the layer of the graph.
        where: the path of the layer in the plan.
        plan: the shapes and parameters, if they are known.
        text: called with a layer, what it is in words.
    """
    parts, calls = graph.arguments["parts"], graph.arguments["calls"]
    streams: dict[str, dict[int, _Stage]] = {}
    order = list(parts)  # that of the inputs and the tasks; calls are in the order of their use
    for name, (part, *_) in sorted(calls.items(), key=lambda item: order.index(item[1][0])):
        call = CallName.parse(name)
        if call.place is None or call.stream == LINK or call.vector:
            continue
        stage = streams.setdefault(call.stream, {}).setdefault(call.place, _Stage())
        _note(stage, call, part, parts[part])
    rows: list[Row] = []
    for stream, stages in streams.items():
        rows.append((f"stream {stream}", "", ""))
        for place in sorted(stages):
            rows += _stage_rows(place, stages[place], place == max(stages), where, plan, text)
    return rows + _joint_rows(graph, where, plan)


def _joint_rows(graph: Layer, where: str, plan: Plan | None) -> list[Row]:
    """The links and what follows them; those of several owners that do the same share a line."""
    groups: dict[tuple[CallName, str], tuple[list[tuple[str, ...]], list[str]]] = {}
    for name, (part, *sources) in graph.arguments["calls"].items():
        call = CallName.parse(name)
        if call.stream != LINK and not (call.stream == ATTENTION and call.owners and call.place is None):
            continue
        layer = graph.arguments["parts"][part]
        what = "each task looks at the others'"
        if "width" in layer.arguments:
            kept = ", keeping positions" if layer.arguments["keep"] else ""
            given = ", ".join(map(named, sources))
            what = f"{layer.label.lower()} of {given} to {layer.arguments['width']}{kept}"
        owned, parts = groups.setdefault((replace(call, owners=()), what), ([], []))
        owned += [call.owners] if call.owners else []
        parts.append(part)
    rows = []
    for (call, what), (owned, parts) in sorted(groups.items(), key=lambda item: item[0][0].place or math.inf):
        marks = f"  [{' | '.join(map(_people, owned))}]" if owned else ""
        rows.append(
            (f"{_words(call)}: {what}{marks}", _shape(plan, where, parts[0]), _count(plan, where, parts))
        )
    return rows


def named(call: str) -> str:
    """A call in words: ``image/2@a+b/mask`` is ``image 2``."""
    return _words(CallName.parse(call))


def _words(call: CallName) -> str:
    return call.stream if call.place is None else f"{call.stream} {call.place}"


def _note(stage: _Stage, call: CallName, part: str, layer: Any) -> None:
    """Adds a call to what is known of its stage."""
    if call.join is not None:
        stage.joins.setdefault(call.join, []).append(call.owners)
    elif part not in stage.parts:
        stage.layer = layer
        stage.experts += call.expert is not None
        stage.owners += [] if call.expert is not None else [call.owners]
    if part not in stage.parts:
        stage.parts.append(part)


def _stage_rows(
    place: int, stage: _Stage, last: bool, where: str, plan: Plan | None, text: Callable[[Any], str]
) -> list[Row]:
    lead, indent = ("└─ ", "   ") if last else ("├─ ", "│  ")
    owned = ""
    if stage.experts:
        owned = f"  [{stage.experts} experts]"
    elif stage.owners != [()]:
        owned = f"  [{' | '.join(map(_people, stage.owners))}]"
    count = _count(plan, where, stage.parts)
    rows = [(f"{lead}{place}: {text(stage.layer)}{owned}", _shape(plan, where, stage.parts[0]), count)]
    for what, owners in stage.joins.items():
        rows.append((f"{indent}   {_JOINS[what]}  [{' | '.join(map(_people, owners))}]", "", ""))
    return rows


def _people(owners: tuple[str, ...]) -> str:
    return ", ".join(owners) or "all"


def _shape(plan: Plan | None, where: str, part: str) -> str:
    resolved = _resolved(plan, where, [part])
    return " x ".join(map(str, resolved[-1].output_shape)) if resolved else ""


def _count(plan: Plan | None, where: str, parts: Sequence[str]) -> str:
    total = sum(resolved.num_params for resolved in _resolved(plan, where, parts))
    return f"{total:,}" if total else ""


def _resolved(plan: Plan | None, where: str, parts: Sequence[str]) -> list[Any]:
    layers: Mapping[str, Any] = {} if plan is None else plan.layers
    return [layers[path] for path in (f"{where}.parts.{part}" for part in parts) if path in layers]
