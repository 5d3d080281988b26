"""The tasks of target columns: what a person says of them, what they become, what they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from nas.commands.data import data_options
from search_spaces import CountRegression, MultiLabel, Ordinal, QuantileRegression
from search_spaces.errors import ProblemError
from workers.problems import Problem, load
from workers.problems.frames.words import TASKS

ROWS = 60


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sizes = rng.choice(["small", "large", "middle"], ROWS)
    return pd.DataFrame(
        {
            "width": rng.normal(size=ROWS),
            "tags": [["red;round", "round | big", "red", ";", None][row % 5] for row in range(ROWS)],
            "visits": rng.poisson(3, ROWS),
            "stars": rng.integers(1, 5, ROWS),
            "size": sizes,
            "grade": pd.Categorical(sizes, ["small", "middle", "large", "huge"], ordered=True),
            "price": rng.normal(size=ROWS),
        }
    )


def read(frame: pd.DataFrame, target: str, kind: str) -> Problem:
    """The problem of one target, its rows in their order in every part."""
    frame = frame[["width", target]]
    return Problem.from_frame(frame, {target: kind}, frame, frame)


def test_texts_name_several_labels_and_a_missing_one_has_no_label(frame: pd.DataFrame) -> None:
    problem = read(frame, "tags", "labels")
    assert problem.signature.tasks["tags"] == MultiLabel(3, ("big", "red", "round"))
    targets = problem.train.targets["tags"]
    assert targets.dtype == torch.float32
    assert targets[:4].tolist() == [[0, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert len(problem.train) == ROWS * 4 // 5
    both = Problem.from_frame(frame, {"tags": "labels", "price": "regression"}, frame, frame)
    assert both.train.labelled["tags"].tolist()[:5] == [True, True, True, True, False]


def test_numbers_are_counts_or_asked_for_by_quantiles(frame: pd.DataFrame) -> None:
    counts = read(frame, "visits", "count")
    assert counts.signature.tasks["visits"] == CountRegression()
    assert counts.train.targets["visits"][:, 0].tolist() == frame["visits"].tolist()
    assert read(frame, "price", "quantiles").signature.tasks["price"] == QuantileRegression()
    said = read(frame, "price", "quantiles=0.05,0.95").signature.tasks["price"]
    assert said == QuantileRegression((0.05, 0.95))


@pytest.mark.parametrize(
    ("target", "kind", "labels"),
    [
        ("stars", "ordinal", (1, 2, 3, 4)),
        ("grade", "ordinal", ("small", "middle", "large", "huge")),
        ("size", "ordinal=small,middle,large", ("small", "middle", "large")),
        ("stars", "ordinal=4,3,2,1", (4, 3, 2, 1)),
        ("stars", "ordinal=0,1,2,3,4", (0, 1, 2, 3, 4)),
    ],
)
def test_classes_have_the_order_of_numbers_of_their_type_or_that_is_said(
    frame: pd.DataFrame, target: str, kind: str, labels: tuple[Any, ...]
) -> None:
    problem = read(frame, target, kind)
    assert problem.signature.tasks[target] == Ordinal(len(labels), labels)
    names = [labels[number] for number in problem.train.targets[target].tolist()]
    assert [str(name) for name in names] == frame[target].astype(str).tolist()


@pytest.mark.parametrize(
    ("target", "kind", "said"),
    [
        ("size", "ordinal", r"the order of 'large', .* predict=\{'size': 'ordinal=large,\.\.\.'\}"),
        ("size", "ordinal=small,large", "expected classes out of small,large, got 'middle'"),
        ("size", "ordinal=small,large,middle,small", "expected each label once"),
        ("stars", "ordinal=1,2,3,4,many", "expected whole numbers in their order, got '1,2,3,4,many'"),
        ("price", "ordinal", "the order of .* is not known"),
        ("price", "count", r"whole numbers of at least 0, got .* 'regression'"),
        ("size", "count", "expected numbers for counts, got 'small'|got 'large'|got 'middle'"),
        ("size", "quantiles", "expected numbers for quantiles"),
        (
            "price",
            "quantiles=0.9,0.1",
            r"in ascending order, such as quantiles=0\.1,0\.5,0\.9, got '0\.9,0\.1'",
        ),
        ("price", "quantiles=low", "expected numbers between 0 and 1"),
        ("size", "labels", r"got none with ; or \| between two; of one label each it is a classification"),
        ("visits", "labels", "expected texts such as 'red;round' for labels, got"),
        ("price", "median", "expected one of classification, labels, ordinal, .* got 'median'"),
        ("price", "regression=1", "expected one of classification, .* got 'regression=1'"),
    ],
)
def test_what_a_column_is_not_is_said_in_one_line(
    frame: pd.DataFrame, target: str, kind: str, said: str
) -> None:
    with pytest.raises(ProblemError, match=said) as told:
        read(frame, target, kind)
    assert "\n" not in str(told.value)


def test_several_columns_of_0_and_1_are_several_tasks(frame: pd.DataFrame) -> None:
    frame["red"], frame["round"] = frame["stars"] % 2, frame["visits"] % 2
    problem = Problem.from_frame(frame[["width", "red", "round"]], ["red", "round"])
    assert [type(task).__name__ for task in problem.signature.tasks.values()] == ["Classification"] * 2


def test_the_command_line_knows_the_words_for_tasks(frame: pd.DataFrame, tmp_path: Path) -> None:
    predict = [f"column:{word}" for word in TASKS]
    for word, one in zip(TASKS, predict, strict=True):
        assert data_options("houses.csv", [one])["predict"] == {"column": word}
    given = data_options("houses.csv", ["size:ordinal=small,middle,large", "price:quantiles=0.1,0.9"])
    assert given["predict"] == {"size": "ordinal=small,middle,large", "price": "quantiles=0.1,0.9"}
    file = tmp_path / "houses.csv"
    frame[["width", "size", "price"]].to_csv(file, index=False)
    problem = load("data", path=str(file), predict=given["predict"])
    assert problem.signature.tasks["size"] == Ordinal(3, ("small", "middle", "large"))
    assert load("data", **problem.options).signature == problem.signature
