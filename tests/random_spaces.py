"""Spaces of every kind for Hypothesis: nested choices, repeats, and holes that are shared by name."""

from hypothesis import strategies as st
from torch import nn

from search_spaces import Space, choice, integer, layer, repeat

SHARED = [
    integer(1, 3, name="width"),
    choice("a", "b", name="letter"),
    choice(some=[integer(0, 1), choice("p", "q")], none=None, name="branch"),
    repeat(choice(1, 2), integer(0, 2, name="how often")),
    integer(0, 2, name="how often"),
    repeat({"x": choice("s", "t", name="inside")}, choice(0, 2)),
]
leaves = st.one_of(
    st.sampled_from([None, True, 3, 2.5, "text", nn.ReLU]),
    st.sampled_from(SHARED),
    st.just(choice("u", "v")),
    st.just(integer(1, 5, step=2)),
)


def _containers(inner: st.SearchStrategy) -> st.SearchStrategy:
    few = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        few,
        few.map(tuple),
        few.map(lambda parts: dict(zip("abc", parts, strict=False))),
        few.map(lambda parts: choice(**{f"o{i}": part for i, part in enumerate(parts)})),
        st.tuples(inner, st.integers(0, 2)).map(lambda pair: repeat(*pair)),
        st.tuples(inner, st.just((0, 2))).map(lambda pair: repeat(*pair)),
        few.map(lambda parts: layer(nn.Linear, out_features=parts)),
        inner.map(Space),
    )


spaces = st.recursive(leaves, _containers, max_leaves=6).map(Space)
