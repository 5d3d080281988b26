"""What a signature given by hand converts without loss, and what 32 bits would lose."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.errors import ProblemError
from workers.problems import Problem, Split

N = 60
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(N, 4)).astype(np.float32)
LABELS = np.arange(N) % 3


def made(
    inputs: Any = TABLE, targets: Any = LABELS, kind: Any = None, task: Any = None, **more: Any
) -> Problem:
    """A problem with all of its examples in every part, in their order."""
    pair = (inputs, targets)
    signature = Signature({"x": kind or Vector(4)}, {"y": task or Classification(3)})
    return Problem.from_tensors("p", pair, pair, pair, signature=signature, **more)


def inputs_of(given: Any, kind: Any) -> torch.Tensor:
    return made(given, kind=kind).train.inputs["x"]


def targets_of(given: Any, task: Any) -> torch.Tensor:
    return made(targets=given, task=task).train.targets["y"]


def test_numbers_and_axes_of_targets_become_what_their_task_has() -> None:
    assert torch.equal(targets_of(LABELS, Regression()), torch.tensor(LABELS)[:, None].float())
    assert torch.equal(targets_of(LABELS[:, None].astype(np.int16), Classification(3)), torch.tensor(LABELS))
    assert torch.equal(targets_of(LABELS.astype(float), Classification(3)), torch.tensor(LABELS))
    assert torch.equal(targets_of(LABELS == 1, Classification(2)), torch.tensor(LABELS == 1).long())
    maps = RANDOM.integers(0, 3, (N, 5, 6))
    assert torch.equal(targets_of(maps[:, None], DenseMap(3, 5, 6)), torch.tensor(maps))
    assert torch.equal(targets_of(maps[..., None].astype(float), DenseMap(3, 5, 6)), torch.tensor(maps))
    depth = RANDOM.random((N, 5, 6)).astype(np.float32)
    assert torch.equal(targets_of(depth, DenseMap(1, 5, 6, discrete=False)), torch.tensor(depth)[:, None])
    texts = RANDOM.integers(0, 9, (N, 7))
    assert torch.equal(targets_of(texts.astype(float), Generation(7, 9)), torch.tensor(texts))


def test_truths_zeros_and_ones_become_several_labels() -> None:
    labels = RANDOM.integers(0, 2, (N, 5))
    for given in (labels, labels.astype(np.uint8), labels > 0, labels.astype(float), labels.tolist()):
        assert torch.equal(targets_of(given, MultiLabel(5)), torch.tensor(labels).float())
    assert torch.equal(targets_of(labels[:, 0], MultiLabel(1)), torch.tensor(labels[:, :1]).float())
    with pytest.raises(ProblemError, match=r"task 'y' of train: expected 1 where .* got 2"):
        targets_of(labels * 2, MultiLabel(5))
    with pytest.raises(ProblemError, match=r"expected 1 where .* got nan"):
        targets_of(np.where(labels > 0, np.nan, 0.0), MultiLabel(5))
    there = np.arange(N) % 2 == 0
    split = Split({"x": TABLE}, {"y": np.where(there[:, None], labels, -1)}, labelled={"y": there})
    signature = Signature({"x": Vector(4)}, {"y": MultiLabel(5)})
    problem = Problem.from_tensors("p", split, split, split, signature=signature)
    assert torch.equal(problem.train.labels("y"), torch.tensor(labels[there]).float())


def test_counts_and_quantiles_take_numbers_in_a_column() -> None:
    counts = RANDOM.integers(0, 9, N)
    assert torch.equal(targets_of(counts, CountRegression()), torch.tensor(counts)[:, None].float())
    assert torch.equal(
        targets_of(counts[:, None], QuantileRegression()), torch.tensor(counts)[:, None].float()
    )
    for given, said in ((counts - 1, "got -1"), (counts + 0.5, r"got \d.5")):
        with pytest.raises(
            ProblemError, match=f"expected counts, which are whole numbers of at least 0, {said}"
        ):
            targets_of(given, CountRegression())


def test_classes_with_an_order_go_by_their_numbers_or_by_the_order_that_is_said() -> None:
    assert targets_of(LABELS + 5, Ordinal(3)).tolist() == LABELS.tolist()
    words = np.asarray(["low", "mid", "high"])[LABELS]
    said = Ordinal(3, labels=("low", "mid", "high"))
    assert targets_of(words, said).tolist() == LABELS.tolist()
    with pytest.raises(
        ProblemError,
        match=r"the order of the values 'high', 'low', 'mid' is not known; say it, .*Ordinal\(3, labels=",
    ):
        targets_of(words, Ordinal(3))


def test_numbers_and_axes_of_inputs_become_what_their_kind_has() -> None:
    whole = RANDOM.integers(-5, 90, (N, 4))
    assert torch.equal(inputs_of(whole, Vector(4)), torch.tensor(whole).float())
    assert torch.equal(inputs_of(TABLE[:, 0], Vector(1)), torch.tensor(TABLE[:, :1]))
    assert torch.equal(inputs_of(TABLE, Sequence(4, 1)), torch.tensor(TABLE)[..., None])
    assert torch.equal(inputs_of(TABLE > 0, Vector(4)), torch.tensor(TABLE > 0).float())
    words = RANDOM.integers(0, 9, (N, 4)).astype(np.uint8)
    assert torch.equal(inputs_of(words, Tokens(4, 9)), torch.tensor(words).long())
    assert torch.equal(inputs_of(words, Vector(4)), torch.tensor(words).float()), "a table is not scaled"


def test_bytes_of_images_become_numbers_from_0_to_1_and_channels_come_first() -> None:
    pixels = RANDOM.integers(0, 256, (N, 5, 6, 3), dtype=np.uint8)
    expected = torch.tensor(pixels).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(inputs_of(pixels, Image(3, 5, 6)), expected)
    assert torch.equal(inputs_of(expected.numpy(), Image(3, 5, 6)), expected)
    assert torch.equal(inputs_of(pixels[..., 0], Image(1, 5, 6)), expected[:, :1])
    assert float(expected.max()) == 1
    with pytest.raises(ProblemError, match=r"got bytes up to 1; if these are pixels already: 1\.0 \* inputs"):
        made((pixels > 99).astype(np.uint8), kind=Image(3, 5, 6))
    with pytest.raises(ProblemError, match=r"up to 255; scale pixels to \[0, 1\]: inputs / 255"):
        made(pixels.astype(int), kind=Image(3, 5, 6))
    floats = (expected.numpy(), LABELS)
    signature = Signature({"x": Image(3, 5, 6)}, {"y": Classification(3)})
    with pytest.raises(ProblemError, match="one range in every part, got bytes in train, real in test"):
        Problem.from_tensors("p", (pixels, LABELS), test=floats, signature=signature)


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (np.asarray(["dog", "cat", "eel"])[LABELS], ("cat", "dog", "eel")),
        (["dog", "cat", "eel"] * (N // 3), ("cat", "dog", "eel")),
        (np.asarray([2021, 2019, 2020])[LABELS], (2019, 2020, 2021)),
        (np.asarray([-1.0, 7.0, 1.0])[LABELS], (-1, 1, 7)),
    ],
)
def test_labels_become_numbers_of_classes_and_keep_their_names(given: Any, labels: tuple[Any, ...]) -> None:
    problem = made(targets=given)
    task = problem.signature.tasks["y"]
    assert task == Classification(3, labels=labels)
    assert [labels[number] for number in problem.train.targets["y"].tolist()] == list(given)
    assert isinstance(task, Classification)
    answers = torch.nn.functional.one_hot(problem.train.targets["y"], 3).float()
    assert task.predicted(answers) == list(given), "names are given back"
    again = made(targets=problem.train.targets["y"], task=task)
    assert torch.equal(again.train.targets["y"], problem.train.targets["y"]), "numbers of classes stay"


def test_labels_that_are_named_go_by_their_order_there() -> None:
    task = Classification(3, labels=("eel", "dog", "cat"))
    assert targets_of(np.asarray(["dog", "cat", "eel"])[LABELS], task).tolist()[:3] == [1, 2, 0]
    assert targets_of(np.repeat("eel", N), task).unique().tolist() == [0], "not all of them need to occur"
    assert targets_of(np.asarray([1, -1])[LABELS % 2], Classification(2, labels=(1, -1))).tolist()[:2] == [
        0,
        1,
    ]
    with pytest.raises(ProblemError, match=r"one of the labels 'eel', .* got 'dogg'; did you mean 'dog'\?"):
        targets_of(np.asarray(["dogg", "cat", "eel"])[LABELS], task)


def test_words_of_tags_and_matches_become_numbers() -> None:
    words = np.asarray([["O", "B-x"], ["B-x", "I-x"], ["O", "O"]])[LABELS]
    signature = Signature(
        {"w": Tokens(2, 5), "v": Vector(4)},
        {"tags": Tagging(3, ("O", "B-x", "I-x"), input="w"), "same": Retrieval("w", "v")},
    )
    tokens, items = np.stack([LABELS, LABELS], 1), np.asarray(["p1", "p2", "p9"])[LABELS]
    problem = Problem.from_tensors(
        "p", ({"w": tokens, "v": TABLE}, {"tags": words, "same": items}), signature=signature
    )
    wanted = torch.tensor([[0, 1], [1, 2], [0, 0]])
    assert torch.equal(problem.train.targets["tags"], wanted[problem.train.inputs["w"][:, 0]])
    assert torch.equal(problem.train.targets["same"], problem.train.inputs["w"][:, 0])


@pytest.mark.parametrize(
    ("targets", "task", "says"),
    [
        (LABELS + 0.5, Classification(3), r"class numbers, got float64 .* with 0.5; .*Regression\(\)"),
        (LABELS + 5, Classification(4), r"from 0 to 3, got values from 5 to 7; .*labels=\(5, \.\.\.\)"),
        (LABELS + 5, Classification(2), r"3 different ones: Classification\(3\)"),
        (np.where(LABELS == 2, -100, LABELS), Classification(3), r"!= -100\}\)"),
        (np.where(LABELS == 2, -1, LABELS), Classification(2), r"if -1 says that a label is missing"),
        (np.asarray(["a", "b", "c"])[LABELS], Classification(2), r"'a', 'b', 'c'; Classification\(3\)"),
        (
            np.asarray(["a", "b", "c"])[LABELS],
            Classification(4),
            r"list all: .*labels=\('a', 'b', 'c', \.\.\.",
        ),
        (np.asarray(["a", None, "c"], object)[LABELS], Classification(2), r"missing; say which: Split\("),
        (np.eye(3)[LABELS], Classification(3), r"np\.asarray\(targets\)\.argmax\(1\)"),
        (np.asarray(["a", "b", "c"])[LABELS], Regression(), "expected numbers, got words"),
        (LABELS + 5, Classification(3, labels=(1, 2, 3)), "none of the labels 1, 2, 3 either"),
    ],
)
def test_targets_that_would_lose_something_are_refused(targets: Any, task: Any, says: str) -> None:
    with pytest.raises(ProblemError, match=says):
        made(targets=targets, task=task)


# ---- precision


def remedy(told: pytest.ExceptionInfo[ProblemError]) -> str:
    return re.split(r"in 64 bits first: ", str(told.value))[1]


@pytest.mark.parametrize(
    "column",
    [
        1.7e9 + np.arange(300),
        1.7e9 + np.arange(300) * 0.37,
        (1_700_000_000 + np.arange(300)).astype(np.int64),
        (1_700_000_000 + np.arange(300)).astype(np.int32),
        np.append(1.7e9 + np.arange(299), 0.0),
        1e-300 * np.arange(300),
        10**18 + np.arange(300) * 1000,
    ],
)
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor, list])
def test_numbers_that_32_bits_would_make_equal_are_refused_with_the_line_that_keeps_them_apart(
    column: Any, library: Any
) -> None:
    labels = np.arange(300) % 3
    inputs = np.stack([column, np.arange(300) * 5], 1)
    given = library(inputs) if library is not list else inputs.tolist()
    signature = Signature({"x": Vector(2)}, {"y": Classification(3)})
    with pytest.raises(ProblemError, match=r"stay apart in 32 bits, got .* would be left") as told:
        Problem.from_tensors("p", (given, labels), signature=signature)
    scaled = eval(remedy(told), {"np": np, "torch": torch, "inputs": given})
    problem = Problem.from_tensors("p", (scaled, labels), signature=signature)
    kept = torch.cat([split.inputs["x"][:, 0] for split in problem.splits.values()])
    assert len(kept.unique()) == len(np.unique(column))


def test_numbers_that_32_bits_cannot_hold_are_refused_for_what_they_are() -> None:
    table = np.where(TABLE > 1, 1e200, TABLE.astype(np.float64))
    with pytest.raises(ProblemError, match=r"up to 3\.4e38\), got 1e\+200; .*abs\(inputs\)\.max\(\)") as told:
        made(table)
    made(eval(remedy(told), {"inputs": table}))
    with pytest.raises(ProblemError, match=r"'y' of train: .* got 1e\+200"):
        made(targets=table[:, 0] + 1e200, task=Regression())
    with pytest.raises(ProblemError, match="got NaN or infinity"):
        made(np.where(TABLE > 1, np.inf, TABLE))


def test_numbers_of_64_bits_that_lose_nothing_that_counts_are_taken() -> None:
    for table in (RANDOM.normal(size=(N, 4)), RANDOM.random((N, 4)) + 2019, np.full((N, 4), 1e9 + 0.3)):
        assert torch.equal(inputs_of(table, Vector(4)), torch.tensor(table).float())
    noise = np.asarray([0.3, 0.1 + 0.2, 0.30000000000000001, 0.29999999999999993])[np.arange(N) % 4]
    inputs_of(np.stack([noise] * 3 + [LABELS + 0.1], 1), Vector(4))
    assert len(inputs_of(RANDOM.random((200_000 // 50, 4))[:N], Vector(4))) == N


def test_what_is_missing_is_not_compared() -> None:
    table = np.stack([1000.0 + np.arange(N), np.arange(N)], 1)
    table[::2] = np.nan
    table[0] = 1e300
    there = torch.arange(N) % 2 == 1
    split = Split({"x": table, "z": TABLE}, {"y": LABELS}, present={"x": there})  # type: ignore[dict-item]
    signature = Signature({"x": Vector(2), "z": Vector(4)}, {"y": Classification(3)})
    problem = Problem.from_tensors("p", split, signature=signature)
    assert not problem.train.inputs["x"][~problem.train.present["x"]].any()
