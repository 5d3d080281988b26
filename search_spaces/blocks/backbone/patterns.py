"""Patterns of sharing: how several tasks go through the stages of one stream.

A pattern wires a stream and returns the tap of each task at each stage. What the patterns have in common: the
stages are the same, only who owns their weights and what flows between the owners differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from search_spaces.blocks.backbone.call_name import call_name
from search_spaces.blocks.backbone.sharing import Beside, Route, Stitch, TaskMask
from search_spaces.blocks.backbone.wiring import Wiring
from search_spaces.nodes import Layer

Taps = list[dict[str, str]]
"""The calls whose answers are the taps: for each stage by task."""


class Extras:
    """What a pattern asks of the losses; see `Graph`.

    Attributes:
        ties: the groups of parts that are copies of one stage.
        private: the shared and the private call of each task at each stage.
    """

    def __init__(self) -> None:
        self.ties: list[list[str]] = []
        self.private: list[list[tuple[str, str]]] = []


Pattern = Callable[[Wiring, Extras, str, Sequence[Layer], Sequence[str], Mapping[str, Any]], Taps]


def hard(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """All tasks own all stages together (Caruana 1997)."""
    return owned(wiring, stream, stages, [[list(tasks)]] * len(stages))


def independent(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """Every task has a stream of its own."""
    return owned(wiring, stream, stages, [[[task] for task in tasks]] * len(stages))


def soft(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """Every task has a stream of its own; the recipe's ``tie`` holds them together (Duong et al. 2015)."""
    taps = independent(wiring, extras, stream, stages, tasks, options)
    if len(tasks) > 1:
        extras.ties += [list(stage.values()) for stage in taps]
    return taps


def tree(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """The tasks part on the way: per stage a partition of them, each finer than the one before.

    ``options["levels"]``, from the input on, says for each task with which one it goes; who have parted do
    not come together again. The stages are divided evenly among the levels.
    """
    levels = options["levels"]
    partitions = []
    for place in range(len(stages)):
        upto = levels[: place * len(levels) // len(stages) + 1]
        partitions.append(_partition(upto, tasks))
    return owned(wiring, stream, stages, partitions)


def stitch(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """A stream for each task, mixed after every stage by cross-stitch units (Misra et al. 2016)."""
    if len(tasks) == 1:
        return hard(wiring, extras, stream, stages, tasks, options)
    taps: Taps = []
    for k, stage in enumerate(stages, start=1):
        before = taps[-1] if taps else dict.fromkeys(tasks, stream)
        own = {t: wiring.add(call_name(stream, k, t), stage, before[t]) for t in tasks}
        mixed = {}
        for task in tasks:
            others = [own[t] for t in tasks if t != task]
            mixed[task] = wiring.join(call_name(stream, k, task, join="stitch"), Stitch, own[task], *others)
        taps.append(mixed)
    return taps


def mask(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """One stream, and at every stage a soft attention mask for each task (MTAN, Liu et al. 2019)."""
    taps: Taps = []
    shared = stream
    for k, stage in enumerate(stages, start=1):
        shared = wiring.add(call_name(stream, k), stage, shared)
        before = taps[-1] if taps else {}
        taps.append(
            {
                task: wiring.join(
                    call_name(stream, k, task, join="mask"),
                    TaskMask,
                    *(shared, before[task]) if before else (shared,),
                )
                for task in tasks
            }
        )
    return taps


def private(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """A stream for all and one for each task, side by side (Liu et al. 2017).

    The recipe's ``orthogonality`` holds them apart, and an adversary keeps the domain out of the shared one.
    """
    if len(tasks) == 1:
        return hard(wiring, extras, stream, stages, tasks, options)
    shared = [stage[tasks[0]] for stage in hard(wiring, extras, stream, stages, tasks, options)]
    own = independent(wiring, extras, stream, stages, tasks, options)
    taps = [
        {
            task: wiring.join(call_name(stream, k, task, join="beside"), Beside, shared[k - 1], stage[task])
            for task in tasks
        }
        for k, stage in enumerate(own, start=1)
    ]
    extras.private += [
        [(ours, stage[task]) for ours, stage in zip(shared, own, strict=True)] for task in tasks
    ]
    return taps


def routed(
    wiring: Wiring, extras: Extras, stream: str, stages: Sequence[Layer], tasks: Sequence[str], options: Any
) -> Taps:
    """Every stage but the first is several experts, of which each task takes a mixture (Ma et al. 2018).

    ``options["experts"]`` says how many.
    """
    first = wiring.add(call_name(stream, 1), stages[0], stream)
    taps: Taps = [dict.fromkeys(tasks, first)]
    for k, stage in enumerate(stages[1:], start=2):
        before, here = taps[-1], {}
        numbers = range(1, int(options["experts"]) + 1)
        experts = {n: str(call_name(stream, k, expert=n)) for n in numbers}
        wiring.parts |= dict.fromkeys(experts.values(), stage)
        for task in tasks:
            source = before[task]
            # what comes from one place goes through the experts once
            owners = () if source == first else (task,)
            answers = [
                wiring.call(call_name(stream, k, *owners, expert=n), expert, source)
                for n, expert in experts.items()
            ]
            here[task] = wiring.join(call_name(stream, k, task, join="route"), Route, source, *answers)
        taps.append(here)
    return taps


PATTERNS: dict[str, Pattern] = {
    "hard": hard,
    "independent": independent,
    "soft": soft,
    "tree": tree,
    "stitch": stitch,
    "mask": mask,
    "private": private,
    "routed": routed,
}
"""The patterns by the names that spaces and decisions hold."""


def owned(
    wiring: Wiring, stream: str, stages: Sequence[Layer], partitions: Sequence[Sequence[Sequence[str]]]
) -> Taps:
    """A stream whose stages belong to groups of tasks; no partition is coarser than the one before."""
    taps: Taps = []
    for k, (stage, groups) in enumerate(zip(stages, partitions, strict=True), start=1):
        here: dict[str, str] = {}
        for group in groups:
            source = taps[-1][group[0]] if taps else stream
            name = wiring.add(call_name(stream, k, *group if len(groups) > 1 else ()), stage, source)
            here |= dict.fromkeys(group, name)
        taps.append(here)
    return taps


def _partition(levels: Sequence[Mapping[str, str]], tasks: Sequence[str]) -> list[list[str]]:
    """The tasks in groups: those that go together at all of these levels."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for task in tasks:
        groups.setdefault(tuple(_leader(level, task) for level in levels), []).append(task)
    return list(groups.values())


def _leader(level: Mapping[str, str], task: str) -> str:
    """Who stands for the group of ``task``: whom all in it come to, or of a circle one."""
    met = [task]
    while (leader := level.get(met[-1], met[-1])) not in met:
        met.append(leader)
    return min(met[met.index(leader) :])
