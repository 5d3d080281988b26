"""A problem from a frame: what columns become, how rows are divided, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Regression, TabularRow, Tokens
from workers.problems import Problem

ROWS = 200


@pytest.fixture
def passengers() -> pd.DataFrame:
    """Rows with columns of every kind, some of their values missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(30, 10, ROWS),
            "sex": rng.choice(["female", "male"], ROWS),
            "married": rng.random(ROWS) > 0.5,
            "cabin": pd.Categorical(rng.choice(["A", "B", "C"], ROWS)),
            "boarded": pd.date_range("1912-04-10", periods=ROWS, freq="7h"),
            "ticket": [f"no {number} of the White Star line" for number in range(ROWS)],
            "id": [f"passenger{number}" for number in range(ROWS)],
            "ship": "Titanic",
        }
    )
    frame.loc[::5, "age"] = np.nan
    frame.loc[::9, "ticket"] = None
    frame["fare"] = 10 * rng.lognormal(1, 1, ROWS)
    frame["survived"] = np.where(frame.sex == "female", "yes", "no")
    return frame


def test_columns_of_every_kind_become_inputs(passengers: pd.DataFrame) -> None:
    problem = Problem.from_frame(passengers.drop(columns="fare"), predict="survived")
    # age, its mark and married; years, three days of the year, the week and the day as angles
    numbers = 2 + 1 + 7
    assert problem.signature.inputs["row"] == TabularRow(numbers, (3, 4))
    assert isinstance(problem.signature.inputs["ticket"], Tokens)
    assert [*problem.signature.inputs] == ["row", "ticket"]
    assert problem.signature.tasks == {"survived": Classification(2, ("no", "yes"))}
    assert (len(problem.train), len(problem.validation), len(problem.test)) == (120, 40, 40)
    assert not bool(problem.train.present["ticket"].all())
    told = problem.describe()
    assert "column 'id': left out, nearly every row has a name of its own" in told
    assert "column 'ship': left out, it has one value only" in told
    assert "column 'sex': category, 2 words that come again" in told


def test_what_is_learnt_comes_of_the_training_rows_alone(passengers: pd.DataFrame) -> None:
    train, other = passengers[:150].copy(), passengers[150:].copy()
    other["age"] = 1000.0
    other["cabin"] = "Z"
    problem = Problem.from_frame(train, "survived", other[:25], other[25:])
    assert problem.preprocessing is not None
    known = {column.name: column for column in problem.preprocessing.columns}
    age, cabin = known["age"], known["cabin"]
    assert age.fill == pytest.approx(train["age"].median())  # type: ignore[attr-defined]
    assert cabin.categories == ("A", "B", "C")  # type: ignore[attr-defined]
    assert bool((problem.validation.inputs["row"][:, -1] == 0).all())
    assert "column 'cabin': 25 in validation were not seen in training" in problem.describe()


def test_missing_numbers_are_filled_with_the_median_and_marked() -> None:
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0, 100.0, np.nan] * 8, "y": ["a", "b"] * 20})
    row = Problem.from_frame(frame, "y", frame, frame).train.inputs["row"]
    assert row[:5].tolist() == [[1, 0], [3, 1], [3, 0], [100, 0], [3, 1]]


def test_a_category_is_the_same_however_it_is_written() -> None:
    frame = pd.DataFrame({"zip": [8001, 8002, 8001, 8004] * 9, "y": [0, 1, 2, 0] * 9})
    problem = Problem.from_frame(frame, "y", frame, frame, columns={"zip": "category"})
    assert problem.preprocessing is not None
    given = [pd.Series(one, name="zip") for one in ([8001, 8004], [8001.0, 8004.0], ["8001", "8004"])]
    rows = [problem.preprocessing.tensors(pd.DataFrame({"zip": one}))[0]["row"].tolist() for one in given]
    assert rows == [[[1.0], [3.0]]] * 3


def test_dates_in_december_lie_beside_those_in_january() -> None:
    days = pd.to_datetime(["2023-12-31", "2024-01-01", "2024-07-01"] * 12)
    frame = pd.DataFrame({"when": days, "y": ["a", "b", "a"] * 12})
    problem = Problem.from_frame(frame, "y", frame, frame)
    december, january, july = problem.train.inputs["row"][:3]
    assert float((december - january)[1:3].norm()) < 0.05 < 1 < float((december - july)[1:3].norm())
    written = frame.assign(when=days.strftime("%Y-%m-%d"))
    assert torch.equal(Problem.from_frame(written, "y", written, written).train.inputs["row"][:, 0],
                       problem.train.inputs["row"][:, 0])  # fmt: skip


def test_dates_with_and_without_a_time_are_of_one_kind() -> None:
    days = ["2024-05-01", "2024-05-01T12:00:00", "2024-05-03 00:00Z", None] * 10
    frame = pd.DataFrame({"when": days, "y": ["a", "b", "a", "b"] * 10})
    first, second, third = Problem.from_frame(frame, "y", frame, frame).train.inputs["row"][:3, 0] * 365.2425
    assert (float(second - first), float(third - first)) == pytest.approx((0.5, 2.0), abs=1e-2)


def test_several_targets_of_mixed_kinds_may_each_be_missing_somewhere(passengers: pd.DataFrame) -> None:
    passengers.loc[::4, "survived"] = None
    passengers.loc[1::4, "fare"] = np.nan
    passengers.loc[::20, "fare"] = np.nan  # neither
    problem = Problem.from_frame(passengers, predict=["survived", "fare"])
    assert problem.signature.tasks == {"survived": Classification(2, ("no", "yes")), "fare": Regression()}
    assert sum(len(split) for split in (problem.train, problem.validation, problem.test)) == ROWS - 10
    assert int(problem.train.labelled["fare"].sum()) < len(problem.train)
    fares = problem.train.targets["fare"][problem.train.labelled["fare"]]
    assert float(fares.mean()) == pytest.approx(passengers["fare"].mean(), rel=0.5)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0.5, 1.25] * 20, Regression()),
        ([0, 1] * 20, Classification(2, (0, 1))),
        ([1.0, 2.0] * 20, Classification(2, (1, 2))),
        ([0, 1, 2, 1] * 10, Classification(3, (0, 1, 2))),
        ([True, False] * 20, Classification(2, ("False", "True"))),
        (["b", "a", "c", "a"] * 10, Classification(3, ("a", "b", "c"))),
        (list(range(100, 140)), Regression()),
    ],
)
def test_a_target_is_what_it_can_only_be(values: list[Any], task: Any) -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": values})
    problem = Problem.from_frame(frame, "y", frame, frame)
    assert problem.signature.tasks == {"y": task}
    assert problem.train.targets["y"].shape[0] == 40


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_what_may_be_classes_or_numbers_is_refused_with_both_lines(kind: str) -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "stars": [1, 2, 3, 4, 5] * 8})
    with pytest.raises(ProblemError, match="5 whole numbers from 1 to 5 may be") as refused:
        Problem.from_frame(frame, "stars")
    assert f"predict={{'stars': '{kind}'}}" in str(refused.value)
    task = Problem.from_frame(frame, {"stars": kind}).signature.tasks["stars"]
    assert isinstance(task, Regression if kind == "regression" else Classification)


def test_the_last_rows_by_a_date_are_the_test_rows(passengers: pd.DataFrame) -> None:
    shuffled = passengers.sample(frac=1, random_state=0)
    problem = Problem.from_frame(shuffled, "survived", ordered_by="boarded")
    years = [getattr(problem, part).inputs["row"][:, 3] for part in ("train", "validation", "test")]
    assert [len(one) for one in years] == [120, 40, 40]
    assert float(years[0].max()) < float(years[1].min()) <= float(years[1].max()) < float(years[2].min())


def test_no_group_is_in_two_parts_and_it_is_no_input() -> None:
    rng = np.random.default_rng(1)
    group = rng.integers(0, 20, 300)
    frame = pd.DataFrame({"patient": group, "x": group + 0.25, "y": rng.choice(["a", "b"], 300)})
    problem = Problem.from_frame(frame, "y", grouped_by="patient")
    assert problem.signature.inputs == {"row": TabularRow(1)}
    splits = (problem.train, problem.validation, problem.test)
    parts = [set(split.inputs["row"][:, 0].tolist()) for split in splits]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 20
    assert 30 <= len(problem.test) <= 90


def test_each_class_is_in_equal_proportion_in_every_part(passengers: pd.DataFrame) -> None:
    problem = Problem.from_frame(passengers, "survived")
    shares = [float(getattr(problem, part).targets["survived"].float().mean()) for part in ("train", "test")]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"predict": "survivd"}, "there is no column 'survivd'; did you mean 'survived'"),
        ({"age": np.nan}, {}, "column 'age': every value of the training rows is missing"),
        ({"fare": [np.inf] * ROWS}, {"columns": {"fare": "number"}}, "expected finite numbers, got infinity"),
        ({"sex": [1, "a"] * (ROWS // 2)}, {}, "column 'sex': expected values of one type, got int, str"),
        ({}, {"columns": {"sex": "number"}}, "column 'sex': expected numbers, got '(fe)?male'"),
        ({}, {"columns": {"fare": "date"}}, "column 'fare': expected dates, .*, got the number .*'%Y'"),
        ({}, {"columns": {"sex": "date"}}, "column 'sex': expected dates, such as 2024-05-01, got .*male"),
        ({}, {"columns": {"sex": "words"}}, "expected number, category, date, text, image or drop for 'sex'"),
        ({}, {"columns": {"gender": "category"}}, "there is no input column 'gender'"),
        ({}, {"predict": []}, "expected the name of the column to predict"),
        ({"survived": None}, {}, "expected targets, but all of 'survived' are missing"),
        ({"survived": "yes"}, {}, "expected two classes or more, got 'yes' in every row"),
        ({"survived": 7}, {}, "expected two classes or more, got 7 in every row"),
        ({}, {"predict": "boarded"}, "expected classes or numbers, got dates; as days"),
        ({}, {"ordered_by": "when"}, "ordered_by: there is no column 'when'"),
        ({}, {"ordered_by": "age"}, "ordered_by: 40 rows have no 'age'"),
        ({}, {"ordered_by": "fare", "grouped_by": "sex"}, "expected ordered_by or grouped_by, got both"),
        ({}, {"grouped_by": "sex"}, "none is left for"),
        ({}, {"validation": 0.7, "test": 0.5}, "expected shares above 0 that leave something"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(
    passengers: pd.DataFrame, change: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProblemError, match=said) as refused:
        Problem.from_frame(passengers.assign(**change), **{"predict": "survived", **options})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ([[1, 2]], "expected a frame of pandas, got list; arrays are taken by Problem.from_tensors"),
        (pd.DataFrame(np.zeros((3, 2))), "expected words as names of columns, got 0"),
        (pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]), "expected each column once, got 'a' twice"),
        (pd.DataFrame({"a": []}), "expected at least one row, got none"),
    ],
)
def test_what_is_no_frame_is_refused(frame: Any, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        Problem.from_frame(frame, "a")


def test_an_input_can_be_left_out_afterwards(passengers: pd.DataFrame) -> None:
    problem = Problem.from_frame(passengers, "survived").only(inputs=["row"])
    assert [*problem.signature.inputs] == ["row"]
    assert problem.preprocessing is not None
