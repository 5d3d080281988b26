"""Data of any type, shape and order, with and without a signature: a right problem or an error of ours."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from items_of_data import Items
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from search_spaces import (
    Classification,
    DenseMap,
    Generation,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.errors import NasError
from workers.problems import Problem, Split
from workers.problems.checks import check_split

COUNTS = st.sampled_from([0, 1, 2, 7, 24, 24, 24, 24])
DTYPES = [
    *(
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint16",
        "uint64",
        "float16",
        "float32",
        "float64",
    ),
    *(">f4", ">i8", "complex64", "datetime64[s]", "timedelta64[s]", "U3", "S3", "O"),
]
SHAPES = st.sampled_from(
    [(), (1,), (2,), (3,), (0,), (3, 1), (2, 3), (3, 2), (1, 4, 4), (4, 4, 3), (2, 1, 1, 2)]
)
ODD = st.sampled_from(
    [
        None,
        3,
        2.5,
        "words",
        b"bytes",
        True,
        object(),
        {},
        [],
        (),
        iter([1]),
        float,
        {"x": 1},
        [[1], [2, 3]],
        1j,
    ]
)


@st.composite
def arrays(draw: st.DrawFn, count: int) -> Any:
    """An array, list, frame or whatever else of about ``count`` examples."""
    rows = draw(st.sampled_from([count] * 9 + [count + 1]))
    shape = (rows, *draw(SHAPES))
    kind = draw(st.sampled_from(["classes", "numbers", "signs", "random", "words", "pixels", "times"]))
    size = int(np.prod(shape))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    array: Any
    if kind == "classes":
        array = (np.arange(size) % draw(st.sampled_from([1, 2, 3, 40]))).reshape(shape)
        array = array + draw(st.sampled_from([0, 0, 0, 1, -1, 2019, -100]))
    elif kind == "numbers":
        array = random.normal(size=shape) * draw(st.sampled_from([1, 1e3, 1e30, 1e200, 1e-300]))
    elif kind == "signs":
        array = (np.arange(size) % 2 * 2 - 1).reshape(shape)
    elif kind == "words":
        array = np.asarray(["cat", "dog", "eel"], object)[(np.arange(size) % 3)].reshape(shape)
    elif kind == "pixels":
        array = random.integers(0, 256, shape, dtype=np.uint8)
    elif kind == "times":
        array = (1.7e9 + np.arange(size)).reshape(shape)
    else:
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        elements = st.sampled_from([None, "a", 1, 2.5, float("nan")]) if dtype.kind == "O" else None
        array = draw(
            arrays_of.arrays(
                dtype, shape, elements=elements, fill=st.nothing() if dtype.kind == "O" else None
            )
        )
    if array.dtype.kind == "f" and array.size and draw(st.integers(0, 5)) == 0:
        array = array.copy()
        array.reshape(-1)[:: draw(st.integers(1, 5))] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.5]))
    if array.dtype.kind in "iu" and draw(st.booleans()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = array.astype(draw(st.sampled_from(DTYPES[:13])))
    return _dressed(draw, array)


def _dressed(draw: st.DrawFn, array: Any) -> Any:
    """The array as people bring it."""
    dress = draw(
        st.sampled_from(
            ["array"] * 6
            + ["tensor"] * 4
            + ["list", "reversed", "fixed", "series", "frame", "sparse", "tensors", "masked", "odd"]
        )
    )
    numeric = array.dtype.kind in "biuf" and array.dtype.isnative
    if dress == "list":
        return array.tolist()
    if dress == "reversed":
        return array[::-1]
    if dress == "fixed":
        array.flags.writeable = False
    elif dress == "series" and array.ndim == 1 and array.dtype.isnative:
        return pd.Series(array).sample(frac=1, random_state=0)
    elif dress == "frame" and array.ndim == 2 and array.dtype.isnative:
        return pd.DataFrame(array)
    elif dress == "masked":
        return np.ma.MaskedArray(array, mask=np.zeros(array.shape, bool))
    elif dress == "odd":
        return draw(ODD)
    elif dress in ("tensor", "sparse", "tensors") and numeric:
        tensor = torch.as_tensor(array.copy())
        if dress == "tensor":
            return tensor.requires_grad_() if tensor.is_floating_point() and draw(st.booleans()) else tensor
        if dress == "tensors":
            return list(tensor) if tensor.ndim else tensor
        return tensor.float().to_sparse()
    return array


@st.composite
def sides(draw: st.DrawFn, count: int, names: tuple[str, ...]) -> Any:
    """The inputs or the targets: one array, or several by name."""
    if draw(st.integers(0, 3)):
        return draw(arrays(count))
    return {
        name: draw(arrays(count)) for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    }


@st.composite
def signatures(draw: st.DrawFn) -> Any:
    """No signature, a right one, or something else."""
    inputs = [Vector(1), Vector(2), Vector(3), Image(1, 4, 4), Image(3, 4, 4), Image(3, 2, 1), Sequence(2, 3)]
    tasks = [
        *(
            Classification(2),
            Classification(3),
            Classification(3, ("cat", "dog", "eel")),
            Classification(2, (-1, 1)),
        ),
        *(Regression(), Regression(2), Regression(3), DenseMap(2, 2, 3), DenseMap(3, 4, 4, discrete=False)),
        *(Generation(3, 40), Tagging(3, input="x"), Tagging(3, ("cat", "dog", "eel"), input="x")),
        Retrieval("x", "b"),
    ]
    known = st.sampled_from([*inputs, Tokens(2, 3), Tokens(3, 256)])
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from([None, None, None, {}, "signature", 3]))
    named = {name: draw(known) for name in draw(st.sampled_from([("x",), ("x",), ("x", "b")]))}
    try:
        return Signature(named, {draw(st.sampled_from(["y", "label"])): draw(st.sampled_from(tasks))})
    except NasError:
        return None


@st.composite
def examples(draw: st.DrawFn, count: int) -> Any:
    """What is given for a part: a pair, a split with masks, or something else."""
    inputs, targets = draw(sides(count, ("x", "b"))), draw(sides(count, ("y", "label")))
    form = draw(st.sampled_from(["pair"] * 8 + ["list", "split", "split", "three", "alone", "odd"]))
    if form == "split":
        mask = draw(
            st.sampled_from([None, np.arange(count) % 3 > 0, np.zeros(count, bool), [True] * count, "no"])
        )
        masks: dict[str, Any] = {} if mask is None else {draw(st.sampled_from(["x", "y", ""])): mask}
        domain = draw(st.sampled_from([None, None, np.arange(count) % 2, np.ones(count), "north"]))
        given = [
            inputs if isinstance(inputs, dict) else {"x": inputs},
            targets if isinstance(targets, dict) else {"y": targets},
        ]
        return Split(*given, *((masks, {}) if draw(st.booleans()) else ({}, masks)), domain)  # type: ignore[arg-type]
    return {
        "pair": (inputs, targets),
        "list": [inputs, targets],
        "three": (inputs, targets, targets),
        "alone": inputs,
    }.get(form, draw(ODD))


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        while True:
            yield 1, 2


@st.composite
def data_sets(draw: st.DrawFn, count: int) -> Any:
    """A data set of about ``count`` items, or something else."""
    form = draw(st.sampled_from(["items"] * 6 + ["list", "tensors", "loader", "endless", "odd", "pair"]))
    sources = [draw(arrays(count)) for _ in range(draw(st.sampled_from([1, 2, 2, 2, 2, 2, 3])))]
    if form == "endless":
        return Endless()
    if form == "odd":
        return draw(ODD)
    if form == "pair":
        return tuple(sources)
    if form in ("tensors", "loader") and all(
        isinstance(one, Tensor) and len(one) == count for one in sources
    ):
        tensors = TensorDataset(*sources)
        return DataLoader(tensors, batch_size=4) if form == "loader" and count else tensors
    columns = [
        list(one)
        if isinstance(one, list) or (isinstance(one, np.ndarray | Tensor) and one.ndim)
        else [one] * count
        for one in sources
        if not (isinstance(one, Tensor) and one.is_sparse)
    ]
    items: list[Any] = [tuple(row) for row in zip(*columns, strict=False)]
    if items and draw(st.booleans()):
        index = draw(st.integers(0, len(items) - 1))
        other = draw(st.one_of(ODD, st.just("a/b.png"), st.just((np.ones(3), "a")), st.just(({"x": 1}, 2))))
        items[index] = draw(st.sampled_from([other, (*items[index][:1], other), (other, *items[index][1:])]))
    if draw(st.integers(0, 4)) == 0:
        items = [
            ({"x": row[0]}, {"y": row[-1]} if number % 3 else {}, *row[2:])
            if type(row) is tuple and row
            else row
            for number, row in enumerate(items)
        ]
    return items if form == "list" else Items(items)


SHARES = st.sampled_from(
    [0.2, 0.2, 0.2, 0.3, np.float32(0.25), 0, 1, -1, 2.0, float("nan"), None, True, "half"]
)
SEEDS = st.sampled_from([0, 1, 2**31, np.int64(3), -1, 1.5, "seed", None, 2**70])


FITTING: list[tuple[Any, tuple[int, ...], str]] = [
    (Vector(3), (3,), "real"),
    (Vector(3), (3,), "whole"),
    (Vector(1), (), "real"),
    (Image(3, 4, 4), (3, 4, 4), "real"),
    (Image(3, 5, 4), (5, 4, 3), "bytes"),
    (Image(1, 4, 4), (4, 4), "bytes"),
    (Sequence(5, 3), (5, 3), "real"),
    (Tokens(3, 6), (3,), "classes"),
    (Classification(2), (), "classes"),
    (Classification(3), (), "classes"),
    (Classification(3), (1,), "classes"),
    (Classification(3, ("cat", "dog", "eel")), (), "words"),
    (Classification(2), (), "signs"),
    (Regression(), (), "real"),
    (Regression(), (), "whole"),
    (Regression(2), (2,), "real"),
    (Generation(3, 6), (3,), "classes"),
    (DenseMap(3, 2, 3), (2, 3), "classes"),
    (DenseMap(2, 4, 3, discrete=False), (4, 3, 2), "real"),
]
"""Kinds, with shapes and contents of arrays that fit them."""


def fitting(kind: Any, shape: tuple[int, ...], content: str, count: int) -> Any:
    """An array that fits its kind."""
    size = (count, *shape)
    numbers = np.arange(count)[(...,) + (None,) * len(shape)] + np.zeros(size, int)
    random = np.random.default_rng(0)
    known: dict[str, Any] = {
        "real": random.normal(size=size),
        "whole": random.integers(-9, 99, size),
        "bytes": random.integers(0, 256, size, dtype=np.uint8),
        "classes": numbers % min(getattr(kind, "outputs", 3), 3),
        "signs": numbers % 2 * 2 - 1,
        "words": np.asarray(["cat", "dog", "eel"], object)[numbers % 3],
    }
    return known[content]


@st.composite
def fitting_calls(draw: st.DrawFn) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A way to make a problem that is right but for one thing, or for none."""
    count = draw(st.sampled_from([12, 40]))
    first = draw(st.sampled_from([one for one in FITTING if not hasattr(one[0], "outputs")]))
    second = draw(st.sampled_from([one for one in FITTING if hasattr(one[0], "outputs")]))
    inputs, targets = _dressed(draw, fitting(*first, count)), _dressed(draw, fitting(*second, count))
    told = draw(st.booleans()) or first[2] != "real"
    options: dict[str, Any] = {"signature": Signature({"x": first[0]}, {"y": second[0]}) if told else None}
    train: Any = (inputs, targets)
    wrong = draw(st.sampled_from(["nothing"] * 8 + ["inputs", "targets", "signature", "gaps"]))
    if wrong == "inputs":
        train = (draw(arrays(count)), targets)
    elif wrong == "targets":
        train = (inputs, draw(arrays(count)))
    elif wrong == "signature":
        options["signature"] = draw(signatures())
    elif wrong == "gaps":
        train = Split({"x": inputs}, {"y": targets}, {}, {"y": np.arange(count) % 3 > 0})  # type: ignore[dict-item]
    if wrong != "gaps" and draw(st.integers(0, 3)) == 0 and all(hasattr(one, "__getitem__") for one in train):
        columns = [
            one if isinstance(one, list) or (isinstance(one, np.ndarray) and one.ndim) else [one] * count
            for one in train
        ]
        return Problem.from_dataset, ("p", Items(list(zip(*columns, strict=False)))), options
    held = draw(st.sampled_from([(), (0.2, 0.3), (train, train)]))
    return Problem.from_tensors, ("p", train, *held), options


@st.composite
def wild_calls(draw: st.DrawFn) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A way to make a problem: the function and its arguments."""
    count = draw(COUNTS)
    of_dataset = draw(st.integers(0, 3)) == 0
    given = data_sets if of_dataset else examples
    held = [draw(given(count)) if draw(st.integers(0, 4)) == 0 else draw(SHARES) for _ in range(2)]
    options: dict[str, Any] = {"signature": draw(signatures())}
    if draw(st.integers(0, 4)) == 0:
        options["seed"] = draw(SEEDS)
    if of_dataset:
        options["domain"] = draw(st.sampled_from([False, False, True, "x"]))
    name = draw(st.sampled_from(["p"] * 9 + [None, "", 3]))
    return (
        Problem.from_dataset if of_dataset else Problem.from_tensors,
        (name, draw(given(count)), *held),
        options,
    )


def calls() -> Any:
    """Ways to make a problem, right ones among them."""
    return st.one_of(fitting_calls(), wild_calls())


def hold(call: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> bool:
    """Whether a problem was made: one that keeps what its signature says. Any error is of our tree."""
    make, arguments, options = call
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            problem = make(*arguments, **options)
    except NasError:
        return False
    for part, split in problem.splits.items():
        check_split(part, split, problem.signature)
        for name, task in problem.signature.tasks.items():
            assert not isinstance(task, Classification) or len(task.labels) in (0, task.classes)
            assert split.targets[name].dtype in (torch.int64, torch.float32)
    assert problem.name in problem.describe()
    assert all(isinstance(told, str) for told in problem.warnings())
    return True


SETTINGS = {"derandomize": True, "suppress_health_check": list(HealthCheck)}


def test_any_data_make_a_right_problem_or_an_error_of_ours() -> None:
    made: list[bool] = []

    @settings(max_examples=200, **SETTINGS)  # type: ignore[arg-type]
    @given(calls())
    def holds(call: Any) -> None:
        made.append(hold(call))

    holds()
    assert 20 < sum(made) < len(made) - 20, "both ends are met"


@pytest.mark.soak
@settings(max_examples=5000, **SETTINGS)  # type: ignore[arg-type]
@given(calls())
def test_much_more_of_any_data_make_a_right_problem_or_an_error_of_ours(call: Any) -> None:
    hold(call)
