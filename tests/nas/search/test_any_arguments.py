"""Whatever constructors are given: a right object or an error of ours, never a raw one, never a hang."""

from __future__ import annotations

import inspect
import json
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from typing import Any

import pytest
from any_values import keywords, nodes, texts, things, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from controllers import (
    NSGA2,
    Hyperband,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    SuccessiveHalving,
    at_least,
    at_most,
    maximize,
    minimize,
)
from nas import Search
from nas.search.options import SearchOptions
from search_spaces import (
    Architecture,
    Image,
    Signature,
    Space,
    Tokens,
    Vector,
    catalog,
    choice,
    integer,
    layer,
    real,
    repeat,
    sequential,
    size,
)
from search_spaces.errors import NasError
from search_spaces.serial import ARCHITECTURE_FORMAT, SPACE_FORMAT
from workers.acceleration import Acceleration
from workers.inline import Inline
from workers.pool import Pool
from workers.recipe import Recipe
from workers.tabular import Simulated
from workers.testing.jobs import points

SPACE = Space({"a": choice("x", "y"), "b": integer(1, 5), "c": repeat(real(0, 1), (0, 2))})
NETWORKS = Space(sequential(layer(nn.Linear, out_features=choice(2, 3))))
POINTS = points()

data = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 30), st.floats(), texts.filter(str.isprintable),
              st.sampled_from(["torch.nn.ReLU", "torch.nn.Linear", "os.system", 10**7, 10**20])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=4),
                st.sampled_from(
                    ["$layer", "arguments", "$sequential", "$repeat", "times", "$choice", "name", "$integer",
                     "$real", "log", "$size", "$tuple", "$module", "out_features", "x=1, y"]
                ),
            ),
            inner, max_size=3,
        ),
        inner.map(lambda one: {"$layer": "torch.nn.Linear", "arguments": {"out_features": one}}),
        st.tuples(inner, inner).map(lambda two: {"$repeat": two[0], "times": two[1]}),
        st.tuples(inner, inner).map(lambda two: {"$choice": [["a", two[0]], ["b", two[1]]], "name": None}),
        st.tuples(inner, inner).map(lambda two: {"$integer": [*two, 1], "log": False, "name": None}),
    ),
    max_leaves=6,
)  # fmt: skip


def from_json(value: Any, form: str, more: dict[str, Any]) -> object:
    """What JSON with this value is read as."""
    text = json.dumps({"format": form, "value": value, "id": "0" * 16, "decisions": {}} | more)
    return (Space if form == SPACE_FORMAT else Architecture).from_json(text)


GIVEN = ("self", "space", "objectives", "signature", "kind")
"""The parameters that are given beside any others."""


def options_of(kind: Callable[..., Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the arguments of a constructor by name, and now and then another, with any values."""
    names = [one for one in inspect.signature(kind).parameters if one not in GIVEN]
    return st.dictionaries(
        st.sampled_from(names if is_dataclass(kind) else [*names, "nonsense"]), values, max_size=3
    )


def constructor(kind: Callable[..., Any], *args: Any, **kwargs: Any) -> st.SearchStrategy[Callable[[], Any]]:
    """Calls of a constructor with any arguments beside these."""
    return options_of(kind).map(
        lambda options: lambda: kind(*args, **{k: v for k, v in options.items() if k not in kwargs}, **kwargs)
    )


MEMORY = {"store": "sqlite://"}
SIGNED = (catalog.multitask, catalog.multimodal, catalog.model_for, catalog.recipe_for)
UNSIGNED = (catalog.cnn, catalog.mlp, catalog.cell, catalog.vit, catalog.series, catalog.text, catalog.recipe)

calls: st.SearchStrategy[Callable[[], Any]] = st.one_of(
    st.tuples(st.lists(values, max_size=4), keywords).map(lambda x: lambda: choice(*x[0], **x[1])),
    st.tuples(st.lists(values, max_size=4), keywords).map(lambda x: lambda: sequential(*x[0])),
    st.tuples(values, values, values, values).map(lambda x: lambda: integer(*x)),
    st.tuples(values, values, values).map(lambda x: lambda: real(*x)),
    st.tuples(st.one_of(things, st.just(nn.Linear)), keywords).map(lambda x: lambda: layer(x[0], **x[1])),
    st.tuples(values, values).map(lambda x: lambda: repeat(*x)),
    st.lists(values, min_size=1, max_size=2).map(lambda x: lambda: size(x[0])),
    values.map(lambda x: lambda: through(Space(x))),
    values.map(lambda x: lambda: through(Space({"model": x}))),
    st.tuples(values, nodes).map(lambda x: lambda: through(Space({"a": x[0], "b": [x[1], x[0]]}))),
    values.map(lambda x: lambda: SPACE.architecture(x)),
    st.dictionaries(st.sampled_from(["a", "b", "c.times", "c.0", "z"]), values, min_size=1).map(
        lambda x: lambda: (SPACE.plain(x), SPACE.architecture(x))
    ),
    values.map(lambda x: lambda: SPACE.sample(x)),
    st.tuples(data, st.sampled_from([SPACE_FORMAT, ARCHITECTURE_FORMAT]), st.just({})).map(
        lambda x: lambda: from_json(*x)
    ),
    data.map(lambda x: lambda: from_json(1, ARCHITECTURE_FORMAT, {"decisions": x, "id": x})),
    values.map(lambda x: lambda: (Space.from_json(x), Architecture.from_json(x))),
    values.map(lambda x: lambda: Space.from_json("{}", modules=x)),
    st.tuples(values, values, values).map(lambda x: lambda: (Image(*x), Vector(x[0]), Tokens(*x[:2]))),
    st.tuples(values, values).map(lambda x: lambda: (at_most(*x), at_least(*x))),
    values.map(lambda x: lambda: (maximize(x), minimize(x))),
    *(
        constructor(kind, SPACE, maximize("m"))
        for kind in (RandomSearch, RegularizedEvolution, LocalSearch, NSGA2)
    ),
    values.map(lambda x: lambda: RandomSearch(SPACE, x)),
    values.map(lambda x: lambda: RandomSearch(x, maximize("m"))),
    *(constructor(kind) for kind in (SuccessiveHalving, Hyperband)),
    *(constructor(kind) for kind in (Pool, Inline, Simulated, Acceleration, SearchOptions)),
    st.dictionaries(st.sampled_from([*Recipe.model_fields, "lr"]), values, max_size=3).map(
        lambda x: lambda: (Recipe(**x), Recipe.make(x))
    ),
    values.map(lambda x: lambda: Recipe.make(x)),
    st.tuples(st.one_of(values, st.just(NETWORKS)), options_of(SearchOptions)).map(
        lambda x: lambda: Search(x[0], POINTS, RandomSearch, **({"executor": "inline"} | x[1] | MEMORY))
    ),
    *(constructor(kind, POINTS.signature) for kind in SIGNED),
    *(constructor(kind) for kind in UNSIGNED),
    constructor(catalog.encoder, Image(1, 8, 8)),
    st.tuples(st.sampled_from([*SIGNED, Signature, catalog.load, catalog.encoder]), values).map(
        lambda x: lambda: x[0](x[1])
    ),
    values.map(lambda x: lambda: Search(NETWORKS, x, store="sqlite://")),
    values.map(lambda x: lambda: Search(NETWORKS, POINTS, x, store="sqlite://")),
)


def through(space: Space) -> None:
    """What is done with any space."""
    assert isinstance(repr(space), str)
    architecture = space.sample(random.Random(0))
    assert space.plain() is not None
    assert space.size() >= 1 or math.isinf(space.size())
    assert space.architecture(architecture.decisions).decisions == architecture.decisions
    again = Space.from_json(space.to_json())
    assert again.sample(random.Random(0)).id == architecture.id
    assert Architecture.from_json(architecture.to_json()).id == architecture.id


def _try(call: Callable[[], object]) -> None:
    with suppress(NasError):
        call()


@settings(
    max_examples=200, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
@given(calls)
def test_any_arguments_make_a_right_object_or_an_error_of_ours(call: Callable[[], object]) -> None:
    _try(call)


@pytest.mark.soak
@settings(
    max_examples=4000, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
@given(calls)
def test_any_arguments_make_a_right_object_or_an_error_of_ours_for_long(call: Callable[[], object]) -> None:
    _try(call)
