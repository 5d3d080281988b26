"""The space of networks that serve several tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.encoders import encoder
from search_spaces.catalog.heads import head
from search_spaces.catalog.options import of_kind, one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat
from search_spaces.signature import DenseMap, Input, Signature, TabularRow, Tagging, Vector
from search_spaces.space import Space

SHARING = ("hard", "soft", "stitch", "mask", "tree", "private", "routed")
"""The patterns of sharing that are searched; see `search_spaces.blocks.backbone.patterns`."""
OPERATORS = ("sum", "concat", "gate", "attend", "lowrank")
"""The operators of links; see `search_spaces.blocks.backbone.links`."""
POSITIONS = (0.25, 0.5, 0.75, 1.0)
"""How far along a stream a link may tap it."""


@checked(SpaceError, only=("signature", "encoders", "heads"))
def multitask(
    signature: Signature,
    *,
    sharing: Sequence[str] = SHARING,
    encoders: Mapping[str, Any] | None = None,
    levels: int = 3,
    experts: Sequence[int] = (2, 3),
    task_attention: Sequence[bool] = (False, True),
    heads: Mapping[str, Any] | None = None,
    links: int = 1,
    operators: Sequence[str] = ("concat",),
    positions: Sequence[float] = (1.0,),
    widths: Sequence[int] = (64, 128),
    poolings: Sequence[str] = ("mean", "max", "attention"),
) -> Space:
    """Networks for several tasks: encoders, what the tasks share of them, and heads.

    Each input has an encoder; the tasks share it as one of the patterns of multi-task learning says: hard or
    soft sharing, cross-stitch units, attention masks, a tree in which they part, shared and private streams,
    or experts. Several inputs are joined at their ends; for more, see `multimodal`.

    Args:
        signature: the inputs and tasks.
        sharing: the patterns to choose from.
        encoders: a space of encoders in place of the catalog's for some inputs, or kinds of those, such as
            ``["cnn", "cell"]``; see `encoder`.
        levels: the number of places on the way where the tasks of a tree may part, the first before all
            stages.
        experts: the numbers of experts there may be in each stage, with ``routed``.
        task_attention: whether tasks look at each other's features.
        heads: a layer, maybe with holes, in place of the catalog's head for some tasks.
        links, operators, positions, widths, poolings: the arguments of `multimodal`, which say how several
            inputs are joined.

    Raises:
        SpaceError: an option without values, another pattern or operator, or a name not in the signature.
    """
    from search_spaces.blocks.backbone.backbone import Backbone, needs
    from search_spaces.blocks.backbone.patterns import PATTERNS

    given, own = encoders or {}, heads or {}
    for what, names, there in (("encoders", given, signature.inputs), ("heads", own, signature.tasks)):
        for name in names:
            if name not in there:
                raise SpaceError(f"{what}: expected names from {', '.join(there)}, got {name!r}")
    tasks = list(signature.tasks)
    arguments: dict[str, Any] = {
        "streams": {name: _encoder(given.get(name), kind) for name, kind in signature.inputs.items()},
        "tasks": needs(signature),
    }
    if len(tasks) > 1:
        patterns = {kind: _pattern(kind, tasks, levels, experts) for kind in PATTERNS}
        arguments["sharing"] = of_kind("sharing", sharing, patterns)
        arguments["task_attention"] = one_of("task_attention", task_attention)
    if len(signature.inputs) > 1:
        link = {
            "taps": {name: _tap(positions, links > 1) for name in signature.inputs},
            "operator": of_kind("operators", operators, {operator: operator for operator in OPERATORS}),
            "width": one_of("widths", widths),
        }
        if not all(isinstance(kind, Vector | TabularRow) for kind in signature.inputs.values()):
            link["pooling"] = one_of("poolings", poolings)
        arguments["links"] = repeat(link, up_to("links", links))
    pooled = _pooled(signature)
    return Space(
        {
            "body": layer(Backbone, **arguments),
            "heads": {
                name: own[name] if name in own else head(task, positions=pooled)
                for name, task in signature.tasks.items()
            },
        }
    )


def _pooled(signature: Signature) -> bool:
    """Whether heads may get positions: links answer vectors, unless a task needs positions."""
    if len(signature.inputs) == 1:
        (kind,) = signature.inputs.values()
        return not isinstance(kind, Vector | TabularRow)
    return any(isinstance(task, Tagging | DenseMap) for task in signature.tasks.values())


def _encoder(given: Any, kind: Input) -> Any:
    """A space of encoders as it was given, or the catalog's."""
    named = isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)
    return encoder(kind, given) if given is None or named else given


def _tap(positions: Sequence[float], optional: bool) -> Any:
    """Where a link taps a stream: with several links maybe not at all."""
    return choice(None, *positions) if optional else one_of("positions", positions)


def _pattern(kind: str, tasks: Sequence[str], levels: int, experts: Sequence[int]) -> dict[str, Any]:
    if kind == "tree":
        # At each level a task goes with an earlier one or by itself; who has parted stays apart.
        level = {task: choice(*tasks[: place + 1]) for place, task in enumerate(tasks) if place}
        return {"kind": kind, "levels": [level] * levels}
    if kind == "routed":
        return {"kind": kind, "experts": one_of("experts", experts)}
    return {"kind": kind}
