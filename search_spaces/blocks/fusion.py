"""How the streams of a backbone are joined: its links, one after another, for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search_spaces.blocks.links import OPERATORS
from search_spaces.blocks.patterns import Taps
from search_spaces.blocks.wiring import Wiring, plain_name

if TYPE_CHECKING:
    from search_spaces.blocks.backbone import Backbone


def fuse(backbone: Backbone, wiring: Wiring, taps: Mapping[str, Taps]) -> dict[str, str]:
    """Wire the links; gives the call of each task's feature.

    Tasks whose taps are the same calls share the link, as they share the stages. A task that needs the
    positions of an input keeps them through all links; who needs none goes along with such a task.

    Args:
        backbone: of several streams.
        wiring: where the streams are wired.
        taps: by stream.
    """
    tasks = backbone.joint
    bases = _bases(backbone, taps)
    features: dict[str, str] = {}
    for number in range(1, len(backbone.links) + 1):
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for task in tasks:
            kept: list[str] = []
            rest: list[str] = []
            if task in features:
                (rest if bases[task] is None else kept).append(features[task])
            for stream, stage in _chosen(backbone, number, bases[task]).items():
                (kept if stream == bases[task] else rest).append(taps[stream][stage - 1][task])
            if kept or rest:  # the first links may tap nothing at all
                groups.setdefault((tuple(kept), tuple(rest)), []).append(task)
        for (kept_calls, rest_calls), members in groups.items():
            link = backbone.links[number - 1]
            owners = "" if len(members) == len(tasks) else "@" + "+".join(map(plain_name, members))
            name = wiring.join(
                f"link/{number}{owners}",
                OPERATORS[link["operator"]],
                *kept_calls,
                *rest_calls,
                width=link["width"],
                keep=len(kept_calls),
                pooling=link.get("pooling", "mean"),
            )
            features |= dict.fromkeys(members, name)
    return features


def _bases(backbone: Backbone, taps: Mapping[str, Taps]) -> dict[str, str | None]:
    """By task the stream whose positions its features have."""
    bases: dict[str, str | None] = {}
    for task in backbone.joint:
        need = backbone.tasks[task]
        bases[task] = need if isinstance(need, str) and need in backbone.streams else None
    for task, base in list(bases.items()):
        if base is None:
            same = (t for t in bases if all(stage[t] == stage[task] for s in taps.values() for stage in s))
            bases[task] = next((bases[t] for t in same if bases[t] is not None), None)
    return bases


def _chosen(backbone: Backbone, number: int, base: str | None) -> dict[str, int]:
    """The stage, from 1, that a link taps of each stream it taps.

    The first one taps the stream whose positions are kept; the last one the ends of those not tapped before.
    """
    chosen = {
        name: backbone.tapped(name, position)
        for name, position in backbone.links[number - 1]["taps"].items()
        if position is not None
    }
    missing = {base} if number == 1 and base is not None else set()
    if number == len(backbone.links):
        before = {name for n in range(1, number) for name in _chosen(backbone, n, base)}
        missing |= backbone.streams.keys() - before
    for name in missing - chosen.keys():
        chosen[name] = len(backbone.stages(name))
    return {name: chosen[name] for name in backbone.streams if name in chosen}
