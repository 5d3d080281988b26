"""Pictures of architectures in text, for people to read in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from search_spaces.building.drawing_graph import Row, graph_rows, named
from search_spaces.building.outline import expanded
from search_spaces.building.plan import Plan
from search_spaces.holes import Value, is_plain
from search_spaces.model import Model
from search_spaces.nodes import Layer, Sequential, Size, children

if TYPE_CHECKING:
    from search_spaces.signature import Signature


def draw_value(title: str, value: Any) -> str:
    """Draws a filled space that builds no network, as a tree under its title."""
    return _aligned([(title, "", ""), *_tree(value, "value", None)])


def draw(
    title: str,
    model: Model,
    recipe: Mapping[str, Any] | None,
    signature: Signature | None = None,
    plan: Plan | None = None,
) -> str:
    """Draws a model as a tree, one layer a line; equal layers in a row share one.

    With a signature the lines also show the shape of each layer's answer (one example) and its parameters,
    from the inputs down to the heads.

    Args:
        title: the first line.
        model: what is drawn.
        recipe: the recipe, for the last line.
        signature: what it serves.
        plan: what a dry run for the signature found, the cost included, which goes into the title.
    """
    rows: list[Row] = [(title, "", "")]
    if signature is not None and plan is not None and plan.cost is not None:
        title = f"{title}: {plan.cost.num_params:,} parameters, {plan.cost.num_macs:,} multiply-adds"
        rows = [(title, "", ""), ("", "gives", "parameters")]
        rows += [(f"input {name}", _shape(kind.shape), "") for name, kind in signature.inputs.items()]
    body = expanded(model) if plan is None else plan.body
    sources: dict[str, list[str]] = {}
    if isinstance(body, Layer) and body is not model.body:
        rows += graph_rows(body, model.where, plan, _text)
        sources = body.arguments["outputs"]
    else:
        rows += _tree(body, model.where, plan)
    if signature is not None and plan is not None:
        for name, task in signature.tasks.items():
            given = f" of {', '.join(map(named, sources[name]))}" if name in sources else ""
            how = f": {_text(model.heads[name])}" if name in model.heads else ""
            what = f"head {name} ({type(task).__name__.lower()}){given}{how}"
            rows.append((what, str(task.outputs), f"{plan.head_params[name]:,}"))
    if recipe:
        text = ", ".join(f"{key}={_plain_text(value)}" for key, value in recipe.items())
        rows.append((f"recipe {text}", "", ""))
    return _aligned(rows)


def _tree(node: Any, path: str, plan: Plan | None) -> list[Row]:
    """The rows of the parts in a part, and of the parts in those; equal layers in a row share one."""
    branches: list[tuple[str, list[Row]]] = []  # for each part its prefix, its own row and those below it
    for step, member in _members(node):
        where = f"{path}.{step}"
        resolved = plan.layers.get(where) if plan else None
        shape = _shape(resolved.output_shape) if resolved else ""
        count = f"{resolved.num_params:,}" if resolved and resolved.num_params else ""
        unnamed = isinstance(node, Sequential) and isinstance(member, Layer)
        own = (_text(member), shape, count)
        below = [] if _is_table(member) else _tree(member, where, plan)
        branches.append(("" if unnamed else f"{step}: ", [own, *below]))
    rows: list[Row] = []
    runs = [(branch, len(list(run))) for branch, run in groupby(branches)]
    for i, ((prefix, (own, *below)), times) in enumerate(runs):
        last = i == len(runs) - 1
        lead = f"{times} x " if times > 1 else ""
        rows.append((f"{'└─ ' if last else '├─ '}{prefix}{lead}{own[0]}", own[1], own[2]))
        rows += [("   " + what if last else "│  " + what, shape, count) for what, shape, count in below]
    return rows


def _members(node: Any) -> Iterator[tuple[Value, Any]]:
    """The parts of a node that deserve a line of their own."""
    for step, child in () if _is_short(node) else children(node):
        if not (isinstance(node, Layer) and _is_short(child)):
            yield step, child


def _text(node: Any) -> str:
    if isinstance(node, Layer):
        short = ", ".join(f"{k}={_plain_text(v)}" for k, v in node.arguments.items() if _is_short(v))
        return f"{node.label}({short})"
    if isinstance(node, Sequential):
        return f"{len(node.parts)} in a row"
    if isinstance(node, dict):
        return _plain_text(node) if _is_table(node) else ""
    if isinstance(node, list | tuple) and not _is_short(node):
        return f"{len(node)} parts"
    return _plain_text(node)


def _plain_text(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, Size):
        return f"size({value.axis})"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain_text(member)}" for key, member in value.items())
    return str(value) if not isinstance(value, tuple | list) else "x".join(map(_plain_text, value))


def _is_short(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(map(is_plain, value))
    return not isinstance(value, Layer | Sequential | dict)


def _is_table(value: Any) -> bool:
    """Whether it is a dict of a few plain values, which fits on one line."""
    return isinstance(value, dict) and 0 < len(value) <= 12 and all(map(is_plain, value.values()))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _aligned(rows: list[Row]) -> str:
    body = [row for row in rows if row[1] or row[2]]
    widths = [max((len(row[i]) for row in body), default=0) for i in range(3)]
    lines = []
    for what, shape, count in rows:
        if not shape and not count:
            lines.append(what.rstrip())
        else:
            lines.append(f"{what:<{widths[0]}}  {shape:>{widths[1]}}  {count:>{widths[2]}}".rstrip())
    return "\n".join(lines)
