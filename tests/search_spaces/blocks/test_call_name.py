"""Names of the calls of a backbone's graph: each is written as it always was, and read back."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Classification, Image, Regression, Sequence, Signature
from search_spaces.blocks.backbone.call_name import ATTENTION, LINK, CallName, call_name, vector_name
from search_spaces.catalog import multimodal

NAMES = {
    "image/2": CallName("image", 2),
    "image/2@a": CallName("image", 2, ("a",)),
    "image/2@a+b/mask": CallName("image", 2, ("a", "b"), join="mask"),
    "image/2@a/stitch": CallName("image", 2, ("a",), join="stitch"),
    "image/10/expert-3": CallName("image", 10, expert=3),
    "image/10/expert-3@a": CallName("image", 10, ("a",), expert=3),
    "image/2@a/beside/vector": CallName("image", 2, ("a",), join="beside", vector=True),
    "image/2/vector": CallName("image", 2, vector=True),
    "image/vector": CallName("image", vector=True),
    "image": CallName("image"),
    "link/1": CallName(LINK, 1),
    "link/2@a+b": CallName(LINK, 2, ("a", "b")),
    "attention@a": CallName(ATTENTION, owners=("a",)),
}

words = st.text("abcxyz_0123456789 ", min_size=1, max_size=8).filter(lambda text: not text.isdigit())
numbers = st.integers(min_value=1, max_value=99)


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_written_and_read(text: str) -> None:
    assert str(NAMES[text]) == text
    assert CallName.parse(text) == NAMES[text]


@given(
    st.builds(
        CallName,
        words,
        numbers,
        st.lists(words, max_size=3).map(tuple),
        st.none() | numbers,
        st.none() | st.sampled_from(["stitch", "mask", "route", "beside"]),
        st.booleans(),
    )
)
def test_a_name_that_is_written_is_read_back(name: CallName) -> None:
    assert CallName.parse(str(name)) == name


@given(st.text(max_size=12) | st.text("a1/@+-", max_size=12))
def test_any_text_is_read_and_written_as_it_is(text: str) -> None:
    assert str(CallName.parse(text)) == text


def test_names_of_inputs_and_tasks_with_dots_are_those_of_modules() -> None:
    assert str(call_name("a.b", 1, "c.d", "e")) == "a_b/1@c_d+e"
    assert str(vector_name("a_b/1@c_d")) == "a_b/1@c_d/vector"


def test_streams_with_slashes_and_at_signs_keep_their_stages() -> None:
    assert CallName.parse("a/1/2@t") == CallName("a/1", 2, ("t",))
    assert CallName.parse("a@b/2") == CallName("a@b", 2)


def test_all_calls_of_networks_have_names_that_are_read() -> None:
    signature = Signature(
        {"image": Image(1, 8, 8), "pen": Sequence(9, 3)}, {"a": Classification(3), "b": Regression(1)}
    )
    space, rng = multimodal(signature), random.Random(0)
    for _ in range(40):
        body = space.sample(rng).model.body
        for text in body.factory(**body.arguments).expand().arguments["calls"]:  # type: ignore[union-attr]
            call = CallName.parse(text)
            assert str(call) == text
            assert call.stream in ("image", "pen", LINK, ATTENTION)
            assert set(call.owners) <= {"a", "b"}
            assert call.place is not None or call.vector or call.stream == ATTENTION
