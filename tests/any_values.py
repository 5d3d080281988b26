"""Arguments of any kind: numbers of every library, odd text, classes, arrays, holes, and what holds these."""

from __future__ import annotations

import decimal
import fractions
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from search_spaces import choice, integer, layer, real, repeat, sequential, size


class Odd:
    """An object that answers nothing."""

    def __repr__(self) -> str:
        return "Odd()"


numbers = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([0, 1, -1, 10**6, 10**23, -(2**70), 10**400, True, False]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([np.int64(3), np.uint8(2), np.float32(0.5), np.float64("nan"), np.bool_(True)]),
    st.sampled_from([fractions.Fraction(1, 3), decimal.Decimal("0.1"), 1j]),
)
texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "model",
            "recipe",
            "sqlite://",
            "nas.db",
            "inline",
            "pool",
            "asha",
            "digits",
            "..",
            "1",
            "no",
            "\ud800",
        ]
    ),
)
things = st.one_of(
    st.none(),
    st.sampled_from([nn.ReLU, nn.Linear, nn.Conv2d, Odd, int, len, Odd(), b"x", range(3), Path("x"), ...]),
    st.builds(nn.ReLU),
    st.sampled_from([np.zeros(3), np.array(2), torch.zeros(2), torch.tensor(3), {1, 2}, frozenset()]),
)
nodes = st.one_of(
    st.builds(lambda: choice(1, 2)),
    st.builds(lambda: integer(1, 4, name="n")),
    st.builds(lambda: real(0.1, 1)),
    st.builds(lambda: layer(nn.Linear, out_features=choice(2, 3))),
    st.builds(lambda: sequential(layer(nn.ReLU))),
    st.builds(lambda: repeat(layer(nn.ReLU), (0, 2))),
    st.builds(lambda: size(1)),
)
leaves = st.one_of(numbers, texts, things, nodes)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(texts, numbers), inner, max_size=3),
    ),
    max_leaves=5,
)
keywords = st.dictionaries(
    st.one_of(
        st.text(min_size=1, max_size=5), st.sampled_from(["out_features", "name", "log", "step", "bias"])
    ),
    values,
    max_size=3,
)
