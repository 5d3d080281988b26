"""What plain arrays are: inferred where one kind only is possible, else refused with lines that settle it."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from search_spaces import (
    Classification,
    DenseMap,
    Image,
    MultiLabel,
    Regression,
    Sequence,
    Signature,
    Tokens,
    Vector,
)
from search_spaces import signature as kinds
from search_spaces.errors import ProblemError
from workers.problems import Problem, Split

N = 80
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(N, 4)).astype(np.float32)
LABELS = np.arange(N) % 3
PICTURES = RANDOM.random((N, 3, 9, 9)).astype(np.float32)


def inferred(inputs: Any = TABLE, targets: Any = LABELS) -> Signature:
    return Problem.from_tensors("p", (inputs, targets)).signature


def refused(inputs: Any = TABLE, targets: Any = LABELS, **options: Any) -> str:
    with pytest.raises(ProblemError) as told:
        Problem.from_tensors("p", (inputs, targets), **options)
    return str(told.value)


def evaluated(code: str, inputs: Any, targets: Any) -> Any:
    """What a line of a message is worth, typed by somebody who has these arrays."""
    known = {name: getattr(kinds, name) for name in kinds.__all__}
    return eval(
        code, {**known, "Split": Split, "np": np, "torch": torch, "inputs": inputs, "targets": targets}
    )


def lines(message: str) -> list[str]:
    """The signatures that a message offers."""
    return re.findall(r"signature=(Signature\(\{.*?\}, \{.*?\}\)) for", message)


def settled(inputs: Any = TABLE, targets: Any = LABELS) -> list[Problem]:
    """The problems that the signatures of a refusal make, typed as they are written."""
    found = lines(refused(inputs, targets))
    assert found, "a line that settles it"
    return [
        Problem.from_tensors("p", (inputs, targets), signature=evaluated(line, inputs, targets))
        for line in found
    ]


@pytest.mark.parametrize(
    ("inputs", "targets", "signature"),
    [
        (TABLE, LABELS, Signature({"vector": Vector(4)}, {"label": Classification(3)})),
        (TABLE, LABELS == 1, Signature({"vector": Vector(4)}, {"label": Classification(2)})),
        (TABLE, LABELS.astype(np.uint8), Signature({"vector": Vector(4)}, {"label": Classification(3)})),
        (TABLE, TABLE[:, 0], Signature({"vector": Vector(4)}, {"value": Regression()})),
        (TABLE, TABLE[:, :2], Signature({"vector": Vector(4)}, {"value": Regression(2)})),
        (TABLE.tolist(), LABELS.tolist(), Signature({"vector": Vector(4)}, {"label": Classification(3)})),
        (PICTURES, LABELS, Signature({"image": Image(3, 9, 9)}, {"label": Classification(3)})),
        (
            PICTURES,
            (PICTURES[:, 0] > 0.5).astype(int),
            Signature({"image": Image(3, 9, 9)}, {"map": DenseMap(2, 9, 9)}),
        ),
        (
            PICTURES,
            PICTURES[:, :1],
            Signature({"image": Image(3, 9, 9)}, {"map": DenseMap(1, 9, 9, discrete=False)}),
        ),
        (
            RANDOM.random((N, 12, 5)),
            LABELS,
            Signature({"sequence": Sequence(12, 5)}, {"label": Classification(3)}),
        ),
    ],
)
def test_what_can_be_one_thing_only_is_inferred(inputs: Any, targets: Any, signature: Signature) -> None:
    problem = Problem.from_tensors("p", (inputs, targets))
    assert problem.signature == signature
    assert "inferred from" in problem.describe()


@pytest.mark.parametrize(
    ("targets", "tasks"),
    [
        (RANDOM.integers(25, 347, N), [Regression]),
        (np.arange(N) % 2 + 2019, [Classification, Regression]),
        (np.arange(N) % 2 * 2 - 1, [Classification, Regression]),
        (LABELS[:, None], [Classification, Regression]),
        (LABELS[:, None] + 3, [Classification, Regression]),
        (np.arange(N), [Regression]),
        (np.repeat(7, N), [Classification, Regression]),
        (LABELS.astype(float), [Classification, Regression]),
        (np.arange(N) % 2 + 1.0, [Classification, Regression]),
        (RANDOM.integers(0, 2, (N, 5)), [Regression, MultiLabel]),
        (RANDOM.integers(0, 2, (N, 5)) > 0, [Regression, MultiLabel]),
        (RANDOM.integers(0, 2, (N, 5)).astype(float), [Regression, MultiLabel]),
        (RANDOM.integers(0, 9, (N, 4)), [Regression]),
        (np.asarray(["cat", "dog", "eel"])[LABELS], [Classification]),
        (RANDOM.integers(0, 3, (N, 6, 7)), [DenseMap]),
        (RANDOM.integers(0, 3, (N, 1, 6, 7)), [DenseMap]),
        (RANDOM.random((N, 6, 7)), [DenseMap]),
        (RANDOM.random((N, 6, 7, 2)), [DenseMap]),
        ((LABELS == 1)[:, None], [Classification, Regression]),
    ],
)
def test_targets_that_may_be_several_things_are_refused_with_lines_that_work(
    targets: Any, tasks: list[type]
) -> None:
    found = [type(next(iter(problem.signature.tasks.values()))) for problem in settled(targets=targets)]
    assert set(tasks) <= set(found)


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        (RANDOM.integers(0, 90, (N, 4)), [Vector(4), Tokens]),
        (RANDOM.integers(-90, 90, (N, 4)), [Vector(4)]),
        (TABLE > 0, [Vector(4)]),
        (TABLE[:, 0], [Vector(1)]),
        (RANDOM.random((N, 16, 16, 3)), [Image(3, 16, 16), Image(16, 16, 3)]),
        (RANDOM.random((N, 16, 16, 1)), [Image(1, 16, 16), Image(16, 16, 1)]),
        (RANDOM.random((N, 6, 6, 8)), [Image(8, 6, 6), Image(6, 6, 8)]),
        (RANDOM.random((N, 9, 9)), [Image(1, 9, 9), Sequence(9, 9)]),
        (RANDOM.random((N, 3, 20)), [Sequence(3, 20), Image(1, 3, 20)]),
        (RANDOM.integers(0, 256, (N, 3, 8, 8), dtype=np.uint8), [Image(3, 8, 8)]),
        (RANDOM.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8), [Image(3, 8, 8), Image(8, 8, 3)]),
        (RANDOM.integers(0, 256, (N, 8, 9), dtype=np.uint8), [Image(1, 8, 9), Sequence(8, 9)]),
    ],
)
def test_inputs_that_may_be_several_things_are_refused_with_lines_that_work(
    inputs: Any, wanted: list[Any]
) -> None:
    found = [next(iter(problem.signature.inputs.values())) for problem in settled(inputs)]
    assert len(found) == len(wanted)
    assert all(type(kind) is want or kind == want for kind, want in zip(found, wanted, strict=True))


def test_several_labels_of_yes_and_no_become_a_task_each_by_the_line_of_the_message() -> None:
    targets = RANDOM.integers(0, 2, (N, 3))
    code = refused(targets=targets).partition("a task each: ")[2]
    tasks = inferred(TABLE, evaluated(code, TABLE, targets)).tasks
    assert tasks == {f"label_{number}": Classification(2) for number in range(3)}


def test_one_column_for_each_class_becomes_classes_by_the_line_of_the_message() -> None:
    for targets in (np.eye(3, dtype=int)[LABELS], np.eye(3)[LABELS]):
        code = refused(targets=targets).partition("one class of 3: ")[2]
        assert inferred(TABLE, evaluated(code, TABLE, targets)).tasks == {"label": Classification(3)}


@pytest.mark.parametrize(
    ("inputs", "before"),
    [
        (RANDOM.random((N, 2, 3, 4, 5)), "as vectors: "),
        (RANDOM.integers(0, 256, (N, 3, 8, 8)), r"scale them to [0, 1]: "),
        (np.asarray(["a b", "c"])[LABELS % 2], "number the words: "),
    ],
)
def test_inputs_that_are_nothing_yet_become_something_by_the_line_of_the_message(
    inputs: Any, before: str
) -> None:
    code = refused(inputs).partition(before)[2].partition(";")[0]
    made = evaluated(code, inputs, LABELS)
    if made.ndim == 1:
        made = made[:, None] + 0.5
    assert inferred(made).tasks == {"label": Classification(3)}


def test_labels_that_are_missing_are_masked_by_the_line_of_the_message() -> None:
    values = np.where(LABELS == 1, np.nan, TABLE[:, 0])
    code = refused(targets=values).partition("say so: ")[2]
    problem = Problem.from_tensors("p", evaluated(code, TABLE, values))
    assert sum(int(split.labelled["value"].sum()) for split in problem.splits.values()) == (LABELS != 1).sum()
    words: Any
    for words in ([None if i % 5 == 0 else "ab"[i % 2] for i in range(N)], pd.NA, None):
        if words is pd.NA:
            words = np.asarray(["ab"[i % 2] if i % 5 else pd.NA for i in range(N)], object)
        words = (
            np.asarray(["ab"[i % 2] if i % 5 else np.nan for i in range(N)], object)
            if words is None
            else words
        )
        code = refused(targets=words).partition("say which: ")[2]
        split = evaluated(code, TABLE, words)
        with pytest.raises(ProblemError) as told:
            Problem.from_tensors("p", split)
        (line,) = lines(str(told.value))
        problem = Problem.from_tensors("p", split, signature=evaluated(line, TABLE, words))
        assert problem.signature.tasks == {"label": Classification(2, ("a", "b"))}
        labelled = problem.train.labelled["label"]
        assert 0 < int(labelled.sum()) < len(labelled)


@pytest.mark.parametrize("missing", [-1, -100])
def test_a_number_that_says_missing_is_masked_by_the_line_of_the_message(missing: int) -> None:
    targets = np.where(LABELS == 2, missing, LABELS)
    code = refused(targets=targets).partition("label is missing: ")[2]
    split = evaluated(code, TABLE, targets)
    problem = Problem.from_tensors("p", split)
    assert problem.signature.tasks == {"label": Classification(2)}
    assert 0 < int(problem.train.labelled["label"].sum()) < len(problem.train)


def test_what_may_be_counted_is_not_taken_for_classes() -> None:
    counts = RANDOM.poisson(3, 400)
    counts[:9] = np.arange(9)
    assert "may be classes or numbers" in refused(RANDOM.random((400, 3)), counts.clip(max=8))
    ages = np.repeat(np.arange(60), np.arange(60) // 2 + 1)
    assert "may be classes or numbers" in refused(RANDOM.random((len(ages), 3)), ages)
    many = np.arange(1000) % 40
    assert inferred(RANDOM.random((1000, 3)), many).tasks == {"label": Classification(40)}


def test_kinds_are_inferred_from_all_parts_which_must_agree() -> None:
    train, test = (TABLE, LABELS % 2), (TABLE, LABELS)
    assert Problem.from_tensors("p", train, test=test).signature.tasks == {"label": Classification(3)}
    with pytest.raises(ProblemError, match=r"one shape in every part, got \(4,\) in train, \(3,\) in test"):
        Problem.from_tensors("p", (TABLE, LABELS), test=(TABLE[:, :3], LABELS))
    with pytest.raises(
        ProblemError, match="one kind of values in every part, got real in train, bytes in test"
    ):
        Problem.from_tensors("p", (PICTURES, LABELS), test=((PICTURES * 255).astype(np.uint8), LABELS))
    with pytest.raises(ProblemError, match=r"test: expected the inputs \['x'\], got \['y'\]"):
        Problem.from_tensors("p", ({"x": TABLE}, LABELS), test=({"y": TABLE}, LABELS))


def test_a_problem_says_what_it_is_in_a_few_lines() -> None:
    inputs = RANDOM.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    names = np.asarray(["cat", "dog", "eel"])[LABELS]
    signature = Signature({"photo": Image(3, 8, 8)}, {"animal": Classification(3), "size": Regression()})
    targets = {"animal": names, "size": TABLE[:, 0].astype(np.float64)}
    told = Problem.from_tensors("zoo", (inputs, targets), signature=signature).describe()
    assert told.splitlines()[0] == "problem 'zoo': examples: 48 train, 16 validation, 16 test"
    photo, animal, size = told.splitlines()[1:]
    assert "Image(channels=3, height=8, width=8)" in photo
    assert "channels last became channels first; bytes from 0 to 255 became [0, 1]" in photo
    assert "'cat' 16, 'dog' 16, 'eel' 16" in animal
    assert "the labels 'cat', 'dog', 'eel' became classes from 0 to 2" in animal
    assert "standard deviation" in size
    assert "inferred" not in told
