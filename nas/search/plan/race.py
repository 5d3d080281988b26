"""A race for the best: which network is to be trained again, so that it is known who is best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SURE = 1.645
"""So many deviations apart, two networks are in their order with a probability of 95 %."""


@dataclass(frozen=True)
class Contender:
    """A network that may be the best.

    Attributes:
        number: the number of its trial.
        value: what it is worth, as far as that is known; more is better.
        deviation: the standard deviation of that, trainings that are on their way counted.
        trainings: the number of its trainings, those included.
        plain: whether it is the plain network.
    """

    number: int
    value: float
    deviation: float
    trainings: int
    plain: bool = False


def in_doubt(contenders: Sequence[Contender]) -> list[Contender]:
    """Returns the networks that are to be trained again, the one that tells most first.

    Two are looked at, the best one and the one that is most probably better than it (D. Russo, "Simple
    Bayesian Algorithms for Best-Arm Identification", Operations Research 2020; chosen without chance, as by
    the transportation cost of X. Shang et al., AISTATS 2020): of them the one with fewer trainings. Those
    after it, of other pairs, are for a time that is too short for the first. The plain network comes before
    other rivals as long as the best one is not above it for sure.

    Args:
        contenders: the networks.
    """
    if len(contenders) < 2:
        return []
    best = max(contenders, key=lambda one: (one.value, one.plain, -one.number))
    apart = [(_apart(best, one), one) for one in contenders if one is not best]
    doubtful = [(not one.plain, far, one.number, one) for far, one in apart if far < SURE]
    rivals = [rival for *_, rival in sorted(doubtful, key=lambda it: it[:3])]
    # of equally many trainings the best one: it was lucky
    first = [rival if rival.trainings < best.trainings else best for rival in rivals]
    return list({one.number: one for one in [*first, *rivals[:1], *([best] if rivals else [])]}.values())


def _apart(best: Contender, other: Contender) -> float:
    """By how many deviations one is better than another."""
    deviation = math.hypot(best.deviation, other.deviation)
    return (best.value - other.value) / deviation if deviation else math.inf
