"""Which networks a bank is trained by: groups of them, one for each step."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from search_spaces.architecture import Architecture
from search_spaces.holes import Hole, Value, is_number
from search_spaces.space import Space

Drawn = Literal["uniform", "fair", "sandwich"]
"""The ways to draw all networks that train a bank before its training begins."""

Sampling = Drawn | Literal["controller"]
"""The same, and by a controller that learns from how they do with the bank."""

SAMPLINGS: tuple[Sampling, ...] = ("uniform", "fair", "sandwich", "controller")

SANDWICH = 4
"""Networks in a step of a sandwich."""

FEW = 12
"""A number with so many values or fewer is taken for a choice among them."""


def paths(space: Space, sampling: Drawn, networks: int, seed: int) -> list[list[Architecture]]:
    """Returns the groups of networks that a bank is trained by; each makes one step, over one batch.

    Args:
        space: the space.
        sampling: ``fair``: as many networks in a group as the largest choice has options, each option of each
            choice in as many of them as any other (strict fairness; Chu, Zhang & Xu, "FairNAS", ICCV 2021).
            ``uniform``: one network in each, all networks being equally likely and not all decisions, so that
            those that share an identity, or a branch with few decisions, come no more often than others (Guo
            et al., "Single Path One-Shot", ECCV 2020, draw each decision). ``sandwich``: one with the largest
            numbers, one with the smallest, and two at random; the first one teaches the others (Yu et al.,
            "BigNAS", ECCV 2020, section 3.1), for spaces that differ in sizes.
        networks: the number of networks, rounded to whole groups; there is one group at least.
        seed: the seed of the draw.

    Returns:
        The groups, in the order in which they are trained, after which they begin again in another one.
    """
    rng = random.Random(f"{sampling} {seed}")
    if sampling == "uniform":
        return [[one] for one in space.sample_different(networks, rng)]
    if sampling == "sandwich":
        return [_sandwich(space, rng) for _ in range(max(1, networks // SANDWICH))]
    size = group_size(space, sampling)
    return [_fair(space, size, rng) for _ in range(max(1, networks // size))]


def in_turn(
    groups: list[list[Architecture]], seed: int, begun: int = 0, *, shuffled: bool = False
) -> Iterator[list[Architecture]]:
    """Yields groups for ever: all of them in each round, which has an order of its own.

    Args:
        groups: the groups.
        seed: the seed of the orders.
        begun: so many were yielded before.
        shuffled: whether the first round has such an order, too, and not theirs.
    """
    number, first = divmod(begun, len(groups))
    while True:
        order = list(range(len(groups)))
        if number or shuffled:
            random.Random(f"round {number} {seed}").shuffle(order)
        yield from (groups[place] for place in order[first:])
        number, first = number + 1, 0


def plainly_trained(space: Space) -> Space:
    """Returns the space without the choices of its recipe, which is the plain network's.

    A bank is trained by one recipe, and what it says of a network knows of no other.
    """
    value = space.value
    if not isinstance(value, Mapping) or "recipe" not in value:
        return space
    plain = space.plain().value["recipe"]
    return space if plain == value["recipe"] else Space({**value, "recipe": plain})


def group_size(space: Space, sampling: Sampling) -> int:
    """Returns how many networks a group has; a fair one as many as the largest choice has options."""
    if sampling != "fair":
        return SANDWICH if sampling == "sandwich" else 1
    counts = [hole.num_values or 1 for hole in space.holes().values() if _few(hole)]
    return max(counts, default=1)


def _sandwich(space: Space, rng: random.Random) -> list[Architecture]:
    """The largest and the smallest network by their numbers, and some at random."""

    def sized(bound: Callable[[Iterable[float]], float]) -> Architecture:
        def pick(path: str, hole: Hole) -> Value:
            numbers = _numbers(hole)
            return bound(numbers) if numbers else hole.sample(rng)

        return space.fill(pick)

    return [sized(max), sized(min), *(space.sample(rng) for _ in range(SANDWICH - 2))]


def _numbers(hole: Hole) -> tuple[Any, ...]:
    """The values of a hole, or their bounds, if all of them are numbers."""
    values = hole.values or (hole.from_unit(0.0), hole.from_unit(1.0))
    return tuple(values) if all(map(is_number, values)) else ()


def _few(hole: Hole) -> bool:
    return hole.num_values is not None and hole.num_values <= FEW


def _fair(space: Space, size: int, rng: random.Random) -> list[Architecture]:
    """A group in which each option of a choice comes as often as any other, as far as its number allows.

    A choice that is there under some options only goes on through its options from network to network.
    """
    decks: dict[str, list[int]] = {}

    def pick(path: str, hole: Hole) -> Value:
        if not _few(hole):
            return hole.sample(rng)
        deck = decks.setdefault(path, [])
        if not deck:
            deck.extend(range(hole.num_values or 1))
            rng.shuffle(deck)
        return hole.value_at(deck.pop())

    return [space.fill(pick) for _ in range(size)]
