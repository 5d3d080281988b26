"""Where checkpoints lie: within their place, whatever a search is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas import Search
from nas.records import Trial
from nas.search.checkpoints import Checkpoints
from search_spaces.catalog import mlp
from search_spaces.errors import SearchError

NAMES = st.one_of(
    st.sampled_from(["..", ".", "a/b", "../../x", "猫" * 200, "/etc", "mine"]), st.text(min_size=1)
)
DESCRIPTION = Search(mlp(), "digits", "random", checkpoints="/place", store="sqlite://").description


@given(NAMES, NAMES)
def test_the_folder_of_a_trial_is_two_below_its_place(name: str, id: str) -> None:
    folder = Checkpoints(DESCRIPTION, name).folder(Trial(0, id, {}, "running"))
    assert folder is not None
    parts = Path(folder).parts
    assert parts[:2] == ("/", "place")
    assert len(parts) == 4
    assert not {"..", "."} & set(parts)
    assert all(len(part.encode()) <= 255 for part in parts)


@pytest.mark.parametrize("place", ["~nouser/x", "a\0b"])
def test_a_place_that_there_cannot_be_is_said_in_our_words(place: str) -> None:
    with pytest.raises(SearchError, match="checkpoints"):
        Search(mlp(), "digits", "random", checkpoints=place, store="sqlite://").description  # noqa: B018
