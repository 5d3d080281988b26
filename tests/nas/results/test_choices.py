"""What a plan chose, as a frame."""

from __future__ import annotations

import json

from recorded import EVIL, record

import nas
from nas.store.store import Store
from search_spaces.catalog import mlp


def test_the_choices_of_a_search_are_a_frame_in_their_order_with_fixed_dtypes() -> None:
    with Store("sqlite://", create=True) as store:
        record(store, 3)
        frame = nas.choices(store)
    assert list(frame.part) == ["epochs", "controller"]
    assert list(frame.step) == [4, 5]
    assert list(frame.seconds) == [2.5, 2.5]
    assert json.loads(frame.value[1]) == {"name": "controller"}
    assert frame.reason[0] == f"{EVIL} & why"


def test_a_search_without_a_plan_has_an_empty_frame_of_the_same_columns_and_dtypes() -> None:
    with Store("sqlite://", create=True) as store:
        record(store, 3)
        some = nas.choices(store)
        search = nas.Search(mlp(), "digits", "random", store="sqlite://")
        store.create_search("none", search.description.to_dict())
        none = nas.choices(store, "none")
    assert len(none) == 0
    assert list(none.dtypes) == list(some.dtypes)
    assert list(none.columns) == ["seconds", "part", "value", "reason", "step"]
