"""What stands for the plain network where that breaks a limit on costs: one near it that keeps them."""

from __future__ import annotations

import math
import random

from controllers.moves import Moves
from nas.description import Description
from nas.search.cost_limits import CostCheck
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError
from search_spaces.space import Space

TRIES = 24
"""So many networks are looked at that are one decision away, before one of them is chosen to go on from."""

STEPS = 30
"""After so many decisions that were changed it is given up."""


def nearest(space: Space, description: Description) -> Architecture:
    """Returns the plain network of a space, or one near it that keeps the limits on costs.

    It goes down from the plain network, a decision at a time, to the network that breaks the limits by least.
    The same space and limits give the same network.

    Args:
        space: the space of the search.
        description: the description of the search, with its limits.

    Returns:
        The plain network, where it keeps the limits or no way leads from it to one that does.
    """
    plain = space.plain()
    check = CostCheck(description)
    if not check.needed:
        return plain
    rng, moves = random.Random(0), Moves(space)
    current, broken = plain, _broken(plain, check, description)
    for _ in range(STEPS):
        if broken == 0:
            return current
        tried = (moves.mutate(current, rng) for _ in range(TRIES))
        around = {network.id: network for network in tried if network.id != current.id}
        if not around:
            break
        by = {name: _broken(network, check, description) for name, network in around.items()}
        best = min(by, key=by.__getitem__)
        if by[best] >= broken:
            break
        current, broken = around[best], by[best]
    return plain


def _broken(architecture: Architecture, check: CostCheck, description: Description) -> float:
    """Returns by how much a network breaks the limits on costs, as a share of their bounds."""
    try:
        costs = check.costs(architecture)
    except BuildError:
        return math.inf
    return sum(one.violation(costs[one.metric]) for one in description.limits if one.metric in costs)
