"""How the streams of a backbone are joined: its links, one after another, for each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.blocks.backbone.call_name import LINK, call_name
from search_spaces.blocks.backbone.links import OPERATORS
from search_spaces.blocks.backbone.patterns import Taps
from search_spaces.blocks.backbone.wiring import Wiring

Links = Sequence[Mapping[str, Any]]
"""One after another; see `search_spaces.blocks.backbone.Backbone`."""


def fuse(
    links: Links, needs: Mapping[str, str | None], wiring: Wiring, taps: Mapping[str, Taps]
) -> dict[str, str]:
    """Wires the links. Returns the call of each task's feature.

    Tasks whose taps are the same calls share the link, as they share the stages. A task that needs the
    positions of an input keeps them through all links; who needs none goes along with such a task.

    Args:
        links: the links of a backbone of several streams.
        needs: the input whose positions a task needs, or None, for each task served from all streams.
        wiring: the wiring of the streams.
        taps: the taps of each stream's stages.
    """
    bases = _bases(needs, taps)
    features: dict[str, str] = {}
    for number in range(1, len(links) + 1):
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for task in needs:
            kept: list[str] = []
            rest: list[str] = []
            if task in features:
                (rest if bases[task] is None else kept).append(features[task])
            for stream, stage in _chosen(links, number, bases[task], taps).items():
                (kept if stream == bases[task] else rest).append(taps[stream][stage - 1][task])
            if kept or rest:  # the first links may tap nothing at all
                groups.setdefault((tuple(kept), tuple(rest)), []).append(task)
        for (kept_calls, rest_calls), members in groups.items():
            link = links[number - 1]
            name = wiring.join(
                call_name(LINK, number, *() if len(members) == len(needs) else members),
                OPERATORS[link["operator"]],
                *kept_calls,
                *rest_calls,
                width=link["width"],
                keep=len(kept_calls),
                pooling=link.get("pooling", "mean"),
            )
            features |= dict.fromkeys(members, name)
    return features


def _bases(needs: Mapping[str, str | None], taps: Mapping[str, Taps]) -> dict[str, str | None]:
    """By task the stream whose positions its features have."""
    bases = {task: need if need in taps else None for task, need in needs.items()}
    for task, base in list(bases.items()):
        if base is None:
            same = (t for t in bases if all(stage[t] == stage[task] for s in taps.values() for stage in s))
            bases[task] = next((bases[t] for t in same if bases[t] is not None), None)
    return bases


def _chosen(links: Links, number: int, base: str | None, taps: Mapping[str, Taps]) -> dict[str, int]:
    """The stage, from 1, that a link taps of each stream it taps.

    The first one taps the stream whose positions are kept; the last one the ends of those not tapped before.
    """
    chosen = {
        name: _tapped(len(taps[name]), position)
        for name, position in links[number - 1]["taps"].items()
        if position is not None
    }
    missing = {base} if number == 1 and base is not None else set()
    if number == len(links):
        before = {name for n in range(1, number) for name in _chosen(links, n, base, taps)}
        missing |= taps.keys() - before
    for name in missing - chosen.keys():
        chosen[name] = len(taps[name])
    return {name: chosen[name] for name in taps if name in chosen}


def _tapped(count: int, position: float) -> int:
    """The number, from 1, of the stage that lies so far along a stream of ``count`` stages."""
    return min(count, max(1, math.ceil(position * count - 1e-9)))
