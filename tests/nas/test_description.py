"""When two searches are the same one, train alike, measure alike or share a leaderboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controllers.objectives import maximize, minimize
from nas.description import Budget, Description
from search_spaces.errors import FormatError
from search_spaces.inputs import Vector
from search_spaces.signature import Signature
from search_spaces.tasks import Classification

SIGNATURE = Signature({"input": Vector(2)}, {"label": Classification(2)})
SEARCH = Description(
    space="{}",
    problem="larger",
    options={},
    signature=SIGNATURE,
    controller="random",
    settings={},
    more_settings=(),
    data="0123",
    objectives=(maximize("accuracy"),),
    limits=(),
    budget=Budget(trials=10, epochs=3),
    seed=0,
    keep_weights=1,
    metrics=("accuracy", "loss"),
)
RULES = ("continues", "same_training", "comparable", "same_data")


def test_a_search_is_like_itself_by_every_rule_and_so_is_what_the_store_has_of_it() -> None:
    stored = Description.from_dict(SEARCH.to_dict())
    assert all(getattr(SEARCH, rule)(stored) for rule in RULES)
    assert SEARCH.difference(stored) is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"budget": Budget(trials=20, epochs=3)}, ()),
        ({"keep_weights": 5, "checkpoints": "/tmp", "reuse_results": True}, ()),
        ({"budget": Budget(trials=10, epochs=4)}, ("comparable",)),
        ({"seed": 1}, ("continues", "same_training")),
        ({"controller": "evolution"}, ("continues",)),
        ({"objectives": (minimize("loss"),)}, ("continues",)),
        ({"fidelity": {"name": "asha", "settings": {}}}, ("continues", "comparable")),
        ({"inherit_weights": True}, ("continues", "same_training", "comparable")),
        ({"metrics": ("accuracy",)}, ("same_training",)),
        ({"problem": "smaller"}, ("continues", "comparable", "same_data")),
        ({"data": "4567"}, RULES),
    ],
    ids=str,
)
def test_each_rule_looks_at_what_it_is_for(change: dict[str, Any], broken: tuple[str, ...]) -> None:
    changed = replace(SEARCH, **change)
    assert {rule for rule in RULES if not getattr(changed, rule)(SEARCH)} == set(broken)


def test_what_is_another_search_is_told_in_words() -> None:
    assert SEARCH.difference(replace(SEARCH, seed=1)) == "its seed was 0, now it is 1"


def test_a_description_without_an_objective_is_none() -> None:
    with pytest.raises(FormatError, match="no objective"):
        Description.from_dict(SEARCH.to_dict() | {"objectives": []})
