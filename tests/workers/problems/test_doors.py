"""What is no data yet: refused at the door by name, with the way out; and what is odd about data, told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from search_spaces import Classification, Image, Regression, Signature, Tokens, Vector
from search_spaces.errors import NasError, ProblemError, SpaceError
from workers.problems import Problem, Split, load

N = 60
TABLE = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
LABELS = np.arange(N) % 3
FRAME = pd.DataFrame(TABLE, columns=list("abcd"))
PAIRS = [(TABLE[index], int(LABELS[index])) for index in range(N)]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(PAIRS)


class Broken(Dataset[Any]):
    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        raise FileNotFoundError(f"no such file: {index}.png")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (FRAME, r"got DataFrame of pandas; write inputs\.to_numpy\(\)"),
        (FRAME["a"].sample(frac=1, random_state=0), r"got Series of pandas; write inputs\.to_numpy\(\)"),
        (
            DataLoader(TensorDataset(torch.rand(9, 2))),
            r"DataLoader; write .*from_dataset\(name, inputs\.dataset\)",
        ),
        (Stream(), r"Stream; write Problem\.from_dataset\(name, list\(inputs\)\)|Stream of"),
        (torch.as_tensor(TABLE).to_sparse(), r"sparse_coo; write inputs\.to_dense\(\)"),
        (TABLE.astype(complex), "complex numbers .*write np.concatenate"),
        (torch.as_tensor(TABLE) * 1j, r"complex numbers .*write torch\.view_as_real\(inputs\)\.flatten\(1\)"),
        (TABLE.astype(object), r'objects \(float\); write np\.asarray\(inputs\)\.astype\("float64"\)'),
        ([[1.0, 2.0], [3.0]], "a list that is no array"),
        ([torch.ones(2), torch.ones(3)], r"different shapes .*pad_sequence\(inputs"),
        ([[1.0, None]] * N, "some are missing"),
        ([["a", 1.0]] * N, "words beside others"),
        (["a.png"] * N, r"what the files hold, got their paths, such as 'a\.png'; read them first: "),
        (TABLE.astype(str), r"numbers as texts; np\.asarray\(inputs, float\)"),
        (None, "got None"),
        (3.5, "expected a value for each example, got a single one"),
        (torch.tensor(3.5), "expected a value for each example, got a single one"),
        ((one for one in TABLE), r"write list\(inputs\)"),
        ("train.csv", "got str"),
        (Path("train.csv"), "got PosixPath"),
        (object(), "got object"),
        (np.arange(N).astype("datetime64[s]"), r"times .*write \(inputs - inputs\.min\(\)\)"),
        (np.ma.MaskedArray(TABLE, TABLE > 1), r"masked array, some of it missing; write inputs\.filled\(0\)"),
        (np.zeros(N, dtype=[("a", float), ("b", float)]), "structured_to_unstructured"),
        (np.asarray([b"a"] * N), r"bytes .*write inputs\.astype\(str\)"),
        (torch.empty(N, 4, device="meta"), "cannot be read"),
        ({1: TABLE}, "expected words as names, got 1"),
        ({}, "got no inputs"),
    ],
)
def test_what_is_no_array_is_refused_with_the_way_out(given: Any, says: str) -> None:
    with pytest.raises(ProblemError, match=rf"problem 'p', .*({says})"):
        Problem.from_tensors("p", (given, LABELS))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (FRAME, r"DataFrame; write Problem\.from_frame\(data, predict='d'\)"),
        (TensorDataset(torch.rand(9, 2)), r"from_dataset\(name, data\)"),
        ((TABLE, LABELS, LABELS), r"a tuple of 3; write \(inputs, targets\)"),
        (TABLE, "expected a pair"),
        (None, "expected a pair"),
    ],
)
def test_what_is_no_pair_is_refused_with_the_way_out(given: Any, says: str) -> None:
    with pytest.raises(ProblemError, match=says):
        Problem.from_tensors("p", given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (DataLoader(TensorDataset(torch.rand(9, 2))), r"got a DataLoader; write train\.dataset"),
        (Stream(), r"Stream, a stream; write list\(train\)"),
        (FRAME, r"got DataFrame; arrays go to Problem\.from_tensors"),
        ((TABLE, LABELS), r"train\[0\]: expected a pair .* got ndarray; write Problem\.from_tensors"),
        (3, "expected a torch data set .* got int"),
        (None, "expected a torch data set .* got NoneType"),
        (0.5, "expected a torch data set .* got float"),
        (Broken(), r"train\[0\]: expected an item, got FileNotFoundError: no such file"),
        ([("a/b.png", 1), ("c.png", 2)], r"the path 'a/b\.png', which __getitem__ must read"),
        ([(Path("a"), 1)], "the path 'a', which __getitem__ must read"),
        ([(TABLE[0], "a"), (TABLE[1], None)], r"got None \(a mapping may leave a name out"),
        (
            [(TABLE[0], 1), (TABLE[1], "a")],
            "the same type and the same shape .* a number in item 0 and a word in",
        ),
        ([(TABLE[0], 1), (torch.ones(4), 1)], "an? array .* in item 0 and a tensor .* in item 1|a array"),
        ([(torch.ones(4), 1), (torch.ones(4).long(), 1)], "a tensor float32 .* and a tensor int64"),
        (
            [({"x": TABLE[0]}, 1), (TABLE[1], 1)],
            "by name in all items or in none, got dict in item 0 and ndarray",
        ),
        ([{"x": TABLE[0], "y": 1}], r"got dict; write \[\(item\['x'\], item\['y'\]\) for item in train\]"),
        ([(TABLE[0], 1, 0)], r"say domain=True, else leave it out: \[item\[:2\] for item in train\]"),
        ([(TABLE[0],)], "got 1 members"),
        ([({}, 1)], "expected inputs and targets in the items"),
    ],
)
def test_what_is_no_data_set_of_pairs_is_refused_with_the_way_out(given: Any, says: str) -> None:
    with pytest.raises(ProblemError, match=says):
        Problem.from_dataset("p", given)


def test_the_ways_out_lead_out() -> None:
    wanted = Problem.from_tensors("p", (TABLE, LABELS)).train.inputs["vector"]
    frame = FRAME.assign(label=LABELS)
    shuffled = frame.sample(frac=1, random_state=0)
    assert torch.equal(wanted, Problem.from_tensors("p", (FRAME.to_numpy(), LABELS)).train.inputs["vector"])
    pair = (shuffled.drop(columns="label").to_numpy(), shuffled["label"].to_numpy())
    assert Problem.from_tensors("p", pair).signature.tasks == {"label": Classification(3)}
    triples = [(*pair, 7) for pair in PAIRS]
    for data in (list(Stream()), [item[:2] for item in triples]):
        assert torch.equal(wanted, Problem.from_dataset("p", data).train.inputs["vector"])
    loader = DataLoader(TensorDataset(torch.as_tensor(TABLE), torch.as_tensor(LABELS)))
    assert torch.equal(wanted, Problem.from_dataset("p", loader.dataset).train.inputs["vector"])


def test_a_third_member_is_a_domain_only_where_that_is_said() -> None:
    triples = [(*pair, index % 2) for index, pair in enumerate(PAIRS)]
    found = Problem.from_dataset("p", triples, domain=True).train
    assert found.domain is not None
    assert found.domain.bincount().tolist() == [18, 18]
    with pytest.raises(ProblemError, match="domain: expected True or False, got 1"):
        Problem.from_dataset("p", triples, domain=1)  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match="domain: expected whole numbers, got words"):
        Problem.from_dataset("p", [(*pair, "north") for pair in PAIRS], domain=True)


def test_domains_of_no_examples_are_refused_for_the_examples() -> None:
    given = Split({"x": TABLE[:0]}, {"y": LABELS[:0]}, domain=LABELS[:0])  # type: ignore[dict-item, arg-type]
    with pytest.raises(ProblemError, match="expected examples, got none"):
        Problem.from_tensors("p", given)
    signature = Signature({"x": Vector(4)}, {"y": Classification(3)})
    with pytest.raises(ProblemError, match=r"expected examples enough to divide by .*, got 0"):
        Problem.from_tensors("p", given, signature=signature)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"validation": None}, "validation: expected examples, or the share"),
        ({"validation": True}, "validation: expected examples, or the share"),
        ({"test": float("nan")}, "expected shares above 0"),
        ({"test": 0.9}, "expected shares above 0"),
        ({"test": -0.1}, "expected shares above 0"),
        ({"seed": "x"}, "seed: expected a whole number from 0 up, got 'x'"),
        ({"seed": 0.5}, "seed: expected a whole number"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"seed": True}, "seed: expected a whole number"),
        ({"signature": {"x": 3}}, r"signature: expected a Signature, such as Signature\("),
        ({"options": 3}, "options: expected a mapping"),
    ],
)
def test_options_that_will_not_do_are_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ProblemError, match=says):
        Problem.from_tensors("p", (TABLE, LABELS), **options)


def test_numbers_of_numpy_will_do_for_options() -> None:
    one = Problem.from_tensors("p", (TABLE, LABELS), np.float32(0.25), np.float64(0.25), seed=np.int64(3))
    assert len(one.validation) == len(one.test) == 15
    assert Vector(np.int64(4)) == Vector(4)
    assert type(Vector(np.int64(4)).features) is int


SIGNATURE = Signature({"x": Vector(4)}, {"y": Classification(3)})
SPLIT = Split({"x": torch.as_tensor(TABLE)}, {"y": torch.as_tensor(LABELS)})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": 3}, "name: expected a word"),
        ({"name": ""}, "name: expected a word"),
        ({"signature": None}, "signature: expected a Signature"),
        ({"train": (TABLE, LABELS)}, r"train: expected a Split of tensors, got tuple; Problem\.from_tensors"),
        ({"train": Split({"x": TABLE}, {"y": LABELS})}, "input 'x': expected a dense tensor .* got ndarray"),  # type: ignore[dict-item]
        ({"train": Split({}, {})}, r"expected the inputs \['x'\], got \[\]"),
        ({"train": Split([TABLE], {})}, "expected a mapping from name to tensor, got list"),  # type: ignore[arg-type]
        ({"train": Split({"x": torch.tensor(1.0)}, SPLIT.targets)}, "expected a dense tensor"),
    ],
)
def test_a_problem_is_made_of_splits_and_a_signature_only(fields: dict[str, Any], says: str) -> None:
    given = {"name": "p", "signature": SIGNATURE, "train": SPLIT, "validation": SPLIT, "test": SPLIT}
    with pytest.raises(ProblemError, match=says):
        Problem(**(given | fields))


def test_what_is_asked_of_a_problem_is_told_by_name() -> None:
    whole = Problem("p", SIGNATURE, SPLIT, SPLIT, SPLIT)
    with pytest.raises(
        SpaceError, match=r"only\(inputs=\.\.\.\): expected a list of names, such as .* got 'x'"
    ):
        whole.only(inputs="x")
    with pytest.raises(SpaceError, match=r"only\(tasks=\.\.\.\): expected a list of names"):
        whole.only(tasks=3)  # type: ignore[arg-type]
    for share in ("0.1", None, True, float("nan"), 2.0):
        with pytest.raises(ProblemError, match=r"drop\(labels=.*\): expected a share from 0"):
            whole.drop(labels=share)  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match="seed: expected a whole number"):
        whole.drop(seed="x")  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match=r"join, problem 1: expected a Problem, got Split"):
        Problem.join("j", whole, SPLIT)  # type: ignore[arg-type]
    with pytest.raises(
        ProblemError, match=r"join, problem 0: .* got list; write Problem\.join\(name, \*problems\)"
    ):
        Problem.join("j", [whole, whole])  # type: ignore[arg-type]
    two = Signature({"a": Vector(4), "b": Vector(4)}, {"y": Classification(3)})
    with pytest.raises(ProblemError, match=r"expected the inputs \['a', 'b'\] by name, got one without"):
        Problem.from_tensors("p", (TABLE, LABELS), signature=two)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Signature([Vector(3)], {"y": Regression()}),  # type: ignore[arg-type]
        lambda: Signature({"x": Vector(3)}, None),  # type: ignore[arg-type]
        lambda: Classification(2, labels="ab"),  # type: ignore[arg-type]
        lambda: Classification(2, labels=("a", "a")),
        lambda: Classification(2, labels=("a",)),
        lambda: Classification(2, labels=(True, False)),
        lambda: Classification(2, labels=(1.5, 2.5)),  # type: ignore[arg-type]
        lambda: Classification(True),
        lambda: Image(1, 2, 2.0),  # type: ignore[arg-type]
        lambda: Tokens(3, "many"),  # type: ignore[arg-type]
    ],
)
def test_kinds_that_are_none_are_refused(write: Any) -> None:
    with pytest.raises(SpaceError):
        write()


def test_arrays_of_odd_layouts_are_read_as_they_look() -> None:
    wanted = Problem.from_tensors("p", (TABLE, LABELS)).train.inputs["vector"]
    fixed = TABLE.copy()
    fixed.flags.writeable = False
    for odd in (
        TABLE.astype(">f4"),
        np.asfortranarray(TABLE),
        fixed,
        TABLE[::-1][::-1],
        list(torch.as_tensor(TABLE)),
    ):
        assert torch.equal(wanted, Problem.from_tensors("p", (odd, LABELS)).train.inputs["vector"])
    for labels in (LABELS.astype(">i8"), LABELS.astype(np.uint64), torch.as_tensor(LABELS.astype(np.uint16))):
        assert Problem.from_tensors("p", (TABLE, labels)).signature.tasks == {"label": Classification(3)}


# ---- warnings


def told(train: Any, validation: Any = None, kind: Any = None, count: int = N) -> list[str]:
    def split(targets: Any) -> tuple[Any, Any]:
        return np.ones((len(targets), 2), np.float32), targets

    signature = Signature({"x": Vector(2)}, {"y": kind or Classification(3)})
    parts = [split(train), split(train if validation is None else validation), split(train)]
    return Problem.from_tensors("p", *parts, signature=signature).warnings()


def test_data_that_measure_well_raise_no_warning() -> None:
    assert told(LABELS) == []
    assert told(TABLE[:, :2], kind=Regression(2)) == []
    for name in ("digits", "digit_pairs", "omniglot"):
        assert load(name).warnings() == [], name


def test_what_makes_results_say_less_is_told_once_each() -> None:
    (unseen,) = told(LABELS % 2, LABELS)
    assert "33.3% of the labels in validation are of classes that training never sees (2)" in unseen
    (few,) = told(LABELS, LABELS[:12])
    assert few.startswith("validation has 12 examples")
    rare = (np.arange(200) % 20 == 0).astype(int)
    (constant,) = told(rare, kind=Classification(2, labels=("common", "rare")))
    assert "95.0% of the labels in validation are of class 'common'" in constant
    scaled = TABLE[:, :2] * [1, 1000]
    (scales,) = told(scaled, kind=Regression(2))
    assert "(output 0)" in scales
    assert "(output 1)" in scales
    signature = Signature({"x": Vector(4)}, {"a": Regression(), "b": Regression()})
    targets = {"a": TABLE[:, 0], "b": TABLE[:, 1] * 1e4}
    pair = (TABLE, targets)  # tasks are compared by r2, and their losses are of standardised targets
    assert Problem.from_tensors("p", pair, pair, pair, signature=signature).warnings() == []


def test_however_many_classes_there_may_be_they_are_described() -> None:
    task = Classification(10**12)
    signature = Signature({"x": Vector(4)}, {"y": task})
    problem = Problem.from_tensors("p", (TABLE, LABELS), signature=signature)
    assert "0 to 12 examples of each class" in problem.describe()
    assert len(problem.warnings()) == 2, "of few examples alone"


def test_labels_that_are_missing_raise_no_warning_of_what_they_are_not() -> None:
    there = torch.as_tensor(LABELS < 2)
    part = Split({"x": torch.as_tensor(TABLE)}, {"y": torch.as_tensor(LABELS)}, labelled={"y": there})
    whole = Problem.from_tensors("p", Split(SPLIT.inputs, SPLIT.targets), part, part, signature=SIGNATURE)
    assert whole.warnings() == []
    assert issubclass(ProblemError, NasError)
