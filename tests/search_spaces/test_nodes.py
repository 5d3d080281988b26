"""Nodes of spaces: what lies below them, and how they are put together again."""

import random
from typing import Any

import pytest
from torch import nn

from search_spaces import Space, choice, integer, layer, repeat, sequential
from search_spaces.catalog import load
from search_spaces.errors import SpaceError
from search_spaces.nodes import children, join, rebuilt, unwrapped

WHOLE = {
    "list": [1, "a", None],
    "tuple": (1.5, [True]),
    "layer": layer(nn.Linear, out_features=3),
    "sequential": sequential(layer(nn.ReLU), [layer(nn.Flatten)]),
}


def _same(node: Any, path: str) -> Any:
    return rebuilt(node, path, _same)


def test_a_node_rebuilt_of_its_own_children_is_equal_to_it() -> None:
    assert _same(WHOLE, "") == WHOLE
    filled = load("cnn").sample(random.Random(0)).value
    assert _same(filled, "model") == filled


@pytest.mark.parametrize("node", [*WHOLE.values(), WHOLE], ids=lambda node: type(node).__name__)
def test_rebuilding_passes_each_child_once_with_its_path(node: Any) -> None:
    seen: list[tuple[str, Any]] = []

    def note(child: Any, path: str) -> Any:
        seen.append((path, child))
        return child

    rebuilt(node, "at", note)
    assert seen == [(join("at", step), child) for step, child in children(node)]


def test_rebuilding_replaces_the_children() -> None:
    assert rebuilt((1, 2), "", lambda child, path: f"{path}={child}") == ("0=1", "1=2")
    assert rebuilt(layer(nn.Linear, out_features=3), "", lambda child, path: 2 * child).arguments == {
        "out_features": 6
    }


def test_below_holes_and_repeats_lie_their_options_and_copies() -> None:
    assert list(children(choice("a", "b"))) == [("a", "a"), ("b", "b")]
    times = integer(0, 2)
    assert list(children(repeat("block", times))) == [("times", times), (0, "block"), (1, "block")]
    assert list(children(integer(1, 3))) == list(children("text")) == list(children(None)) == []


def test_a_space_within_a_space_is_what_it_holds() -> None:
    hole = choice(1, 2)
    assert unwrapped(Space(Space(hole))) is hole
    assert unwrapped(hole) is hole


def test_keys_of_a_dict_are_text() -> None:
    with pytest.raises(SpaceError, match="expected keys of text, got 1"):
        list(children({1: "a"}))
