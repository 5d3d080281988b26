"""Activity told from decisions: it must agree with filling the space."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from random_spaces import spaces

from search_spaces import Space, choice, integer, repeat
from search_spaces.conditions import Condition, occurrences
from search_spaces.holes import Value


def is_met(condition: Condition | None, space: Space, decisions: dict[str, Value]) -> bool:
    """Whether a condition and all those around it are met."""
    if condition is None:
        return True
    if not is_met(condition.outer, space, decisions):
        return False
    hole = space.holes()[condition.path]
    return decisions[condition.path] in [hole.value_at(place) for place in condition.positions]


@settings(max_examples=80)
@given(spaces, st.integers(0, 2**31))
def test_active_are_the_holes_that_filling_asks_for(space: Space, seed: int) -> None:
    decisions = dict(space.sample(random.Random(seed)).decisions)
    active = {path for path, condition in occurrences(space) if is_met(condition, space, decisions)}
    assert active == set(decisions)


def test_every_place_of_a_shared_hole_is_told_with_its_own_condition() -> None:
    shared = integer(1, 3, name="width")
    space = Space({"a": choice(x=shared, y=0, z=shared), "blocks": repeat(shared, choice(2, 0, 1))})
    found = [
        condition and (condition.path, *condition.positions)
        for path, condition in occurrences(space)
        if path == "width"
    ]
    assert found == [("a", 0), ("a", 2), ("blocks.times", 0, 2), ("blocks.times", 0)]
