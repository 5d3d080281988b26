"""The fingerprint of data reads all of them, once; stores of older versions are compared by theirs."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scripted import Scripted
from torch import Tensor, nn

import nas.search.fingerprint as fingerprints
from nas import Search
from nas.description import Description
from nas.reuse.rebuild import problem_of
from nas.search.fingerprint import fingerprint, older_fingerprint
from nas.store.store import Store
from search_spaces import Classification, Signature, Space, Vector, choice, integer, layer, sequential
from search_spaces.errors import SearchError
from workers.problems import Problem, Split, fashion_mnist, load
from workers.tabular import Simulated

SIGNATURE = Signature({"a": Vector(5)}, {"label": Classification(3)})
COUNT = 3000


def of(change: Any = None, signature: Signature = SIGNATURE) -> Problem:
    """A problem of thousands, after a change of its train split."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(COUNT, 5, generator=generator)
    train = Split(
        {"a": inputs},
        {"label": torch.arange(COUNT) % 3},
        present={"a": torch.ones(COUNT, dtype=torch.bool)},
        labelled={"label": torch.ones(COUNT, dtype=torch.bool)},
        domain=torch.arange(COUNT) % 2,
    )
    held = Split({"a": inputs[:9].clone()}, {"label": torch.arange(9) % 3})
    if change is not None:
        change(train)
    return Problem("p", signature, train, held, held)


def anywhere(tensor: Tensor, index: int, value: Any) -> None:
    tensor.view(-1)[index] = value


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """The problems whose data are read for a fingerprint."""
    found: list[Problem] = []
    read = fingerprints._fingerprint

    def noted(problem: Problem) -> str:
        found.append(problem)
        return read(problem)

    monkeypatch.setattr(fingerprints, "_fingerprint", noted)
    return found


# -- all of them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda train: anywhere(train.inputs["a"], 0, 0.25),
        lambda train: anywhere(train.inputs["a"], 5 * 1234 + 2, 0.25),
        lambda train: anywhere(train.inputs["a"], -1, 0.25),
        lambda train: anywhere(train.targets["label"], 17, 0),
        lambda train: anywhere(train.targets["label"], -1, 1),
        lambda train: anywhere(train.labelled["label"], 1999, False),
        lambda train: anywhere(train.domain, 2001, 0),
    ],
)
def test_one_value_anywhere_makes_another_problem(change: Any) -> None:
    assert fingerprint(of()) == fingerprint(of())
    assert fingerprint(of(change)) != fingerprint(of())


def test_parts_names_shapes_and_kinds_count_too() -> None:
    ones = torch.zeros(8, 4)
    vectors = Signature({"a": Vector(4), "b": Vector(4)}, {"label": Classification(3)})

    def problem(first: Tensor, second: Tensor, labels: Tensor, signature: Signature = vectors) -> str:
        one = Split({"a": first, "b": second}, {"label": labels})
        other = Split({"a": ones, "b": ones}, {"label": torch.zeros(8, dtype=torch.int64)})
        return fingerprint(Problem("p", signature, one, other, other))

    twos, labels = torch.full((8, 4), 2.0), torch.arange(8) % 3
    classes = Signature(vectors.inputs, {"label": Classification(4)})
    longer = torch.zeros(16, 4)
    found = [
        problem(ones, twos, labels),
        problem(twos, ones, labels),
        problem(ones, twos, labels.flip(0)),
        problem(ones, twos, labels, classes),
        problem(longer, longer, torch.zeros(16, dtype=torch.int64)),
    ]
    assert len(set(found)) == len(found)


def test_how_a_tensor_lies_in_memory_is_not_what_it_is() -> None:
    wide = torch.rand(COUNT, 5)

    def problem(inputs: Tensor) -> Problem:
        part = Split({"a": inputs}, {"label": torch.arange(COUNT) % 3})
        return Problem("p", SIGNATURE, part, part, part, copy=False)

    assert fingerprint(problem(wide.T.contiguous().T)) == fingerprint(problem(wide))


def test_chunks_and_threads_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.rand(700_000, 3)  # 8 MB: several chunks
    before = fingerprints.tensor_hash(whole)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    part = Split({"a": torch.rand(COUNT, 5)}, {"label": torch.arange(COUNT) % 3})
    many = fingerprint(Problem("p", SIGNATURE, part, part, part))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert fingerprint(Problem("p", SIGNATURE, part, part, part)) == many
    whole[-1, -1] += 1
    assert fingerprints.tensor_hash(whole) != before


def test_a_fingerprint_is_what_it_was() -> None:
    inputs = torch.arange(40, dtype=torch.float32).view(8, 5)
    part = Split({"a": inputs}, {"label": torch.arange(8) % 3})
    problem = Problem("p", SIGNATURE, part, part, part)
    assert (fingerprint(problem), older_fingerprint(problem)) == (
        "2:e97f8c2612ce60593acead128ad16eef",
        "608b0b5ddd386668",
    )


# -- once ---------------------------------------------------------------------------------------------------


def test_a_problem_is_hashed_once(hashed: list[Problem], tmp_path: Path) -> None:
    problem = of()
    for name in ("first", "second"):
        Search(
            {"a": integer(0, 9)}, problem, "random", store=tmp_path / "s.db", executor=Scripted(), name=name,
            trials=2,
        ).run()  # fmt: skip
    assert hashed == [problem]


def test_it_is_hashed_again_once_a_tensor_has_changed(hashed: list[Problem]) -> None:
    problem = of()
    before = fingerprint(problem)
    problem.train.targets["label"][5] = 0
    assert fingerprint(problem) != before
    assert len(hashed) == 2


def test_a_tensor_in_the_place_of_another_is_hashed(hashed: list[Problem]) -> None:
    problem = of()
    before = fingerprint(problem)
    for value in range(1, 9):
        # it may get the memory of the one before
        del problem.train.inputs["a"]
        problem.train.inputs["a"] = torch.full((COUNT, 5), float(value))
        now = fingerprint(problem)
        assert now != before
        before = now
    assert len(hashed) == 9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the problem ``fashion_mnist``, with few pictures."""
    monkeypatch.setattr(fashion_mnist, "HELD_OUT", 20)
    rng = np.random.default_rng(0)
    for name, file in fashion_mnist.IDX.items():
        count = 60 if name.endswith("train") else 20
        size = (count, 28, 28) if name.startswith("x") else (count,)
        values = rng.integers(0, 10, size, dtype=np.uint8)
        head = struct.pack(f">HBB{len(size)}i", 0, 8, len(size), *size)
        (tmp_path / f"{file}.gz").write_bytes(gzip.compress(head + values.tobytes()))
    return tmp_path


def test_data_of_files_are_hashed_once_while_the_files_stay(folder: Path, hashed: list[Problem]) -> None:
    before = fingerprint(load("fashion_mnist", folder=str(folder)))
    assert fingerprint(load("fashion_mnist", folder=str(folder))) == before
    assert len(hashed) == 1
    labels = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[-1] = 9 - content[-1]
    labels.write_bytes(gzip.compress(bytes(content)))
    os.utime(labels, ns=(1, 1))
    assert fingerprint(load("fashion_mnist", folder=str(folder))) != before


def test_what_somebody_made_of_data_of_files_is_hashed_itself(folder: Path) -> None:
    problem = load("fashion_mnist", folder=str(folder))
    before = fingerprint(problem)
    order = torch.arange(len(problem.train)).flip(0)
    assert fingerprint(replace(problem, train=problem.train.select(order))) != before
    again = load("fashion_mnist", folder=str(folder))
    again.train.targets["clothing"][3] = 9 - again.train.targets["clothing"][3]
    assert fingerprint(again) != before


# -- what it is for -----------------------------------------------------------------------------------------


def noisy(wrong: int) -> Problem:
    """Which of two numbers is larger, 3,000 examples; so many labels are wrong, none that version 1 reads."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(COUNT, 2, generator=generator)
    labels = (inputs[:, 0] > inputs[:, 1]).long()
    held = (inputs[:300].clone(), labels[:300].clone())
    step = max(1, COUNT // 64)
    unread = torch.tensor([index for index in range(COUNT) if index % step])
    chosen = unread[:wrong]
    labels[chosen] = 1 - labels[chosen]
    return Problem.from_tensors("larger", (inputs, labels), held, held)


@pytest.fixture
def networks() -> Space:
    model = sequential(layer(nn.Linear, out_features=choice(8, 16)), layer(nn.ReLU))
    return Space({"model": model, "recipe": {"epochs": 2, "batch_size": 64}})


def test_corrected_labels_are_trained_anew_and_make_another_search(networks: Space, tmp_path: Path) -> None:
    wrong, right = noisy(1800), noisy(0)
    corrected = int((wrong.train.targets["label"] != right.train.targets["label"]).sum())
    assert corrected >= 536
    assert older_fingerprint(wrong) == older_fingerprint(right)  # or this shows nothing
    assert fingerprint(wrong) != fingerprint(right)
    options: dict[str, Any] = {"executor": "inline", "store": tmp_path / "s.db", "trials": 2}
    before = Search(networks, wrong, "random", name="wrong", **options).run()
    apart = options | {"store": tmp_path / "apart.db"}
    trained = Search(networks, right, "random", name="right", **apart).run()
    reusing = Search(networks, right, "random", name="right", reuse_results=True, **options).run()
    assert list(reusing["accuracy"]) == list(trained["accuracy"])
    assert list(reusing["accuracy"]) != list(before["accuracy"])
    assert reusing["reason"].isna().all()
    with pytest.raises(SearchError, match="cannot go on: its data was"):
        Search(networks, right, "random", name="wrong", **options).run(resume=True)
    with Store(tmp_path / "s.db") as store, pytest.raises(SearchError, match="are not those of search"):
        problem_of(store.search("wrong").description, "wrong", right)


# -- stores of older versions -------------------------------------------------------------------------------


def as_older(search: Search) -> None:
    """Lets a search be described as version 1 described it."""
    search.description = replace(
        search.description, data=older_fingerprint(search.problem), older_data="", code=None
    )


def test_a_store_of_an_older_version_is_compared_by_its_fingerprint_with_a_warning(
    tmp_path: Path, first_warnings: pytest.LogCaptureFixture
) -> None:
    def search(name: str, problem: Problem, **options: Any) -> Search:
        made = Search(
            {"a": integer(0, 9)}, problem, "random", store=tmp_path / "s.db", executor=Simulated(), name=name,
            epochs=1, trials=6, **options,
        )  # fmt: skip
        made.executor = Scripted()
        return made

    old = search("old", of())
    as_older(old)
    old.run()
    assert not first_warnings.messages
    taking = search("new", of(), reuse_results=True)
    taking.run()
    assert len(taking.executor.started) == 1  # type: ignore[union-attr]
    assert len(first_warnings.messages) == 1
    assert "64 rows" in first_warnings.messages[0]
    longer = search("old", of())
    longer.description = longer.description.with_end(8, None, None)
    assert len(longer.run(resume=True)) == 8
    assert len(first_warnings.messages) == 1  # once
    with Store(tmp_path / "s.db") as store:
        kept = store.search("old").description
        assert (kept.data, kept.code) == (older_fingerprint(of()), None)  # no more than this is known of it
        assert problem_of(kept, "old", of()).name == "p"

    changed = of(lambda train: anywhere(train.inputs["a"], 0, 0.25))  # a row that it looked at
    other = search("other", changed, reuse_results=True)
    other.run()
    assert len(other.executor.started) == 6  # type: ignore[union-attr]
    with pytest.raises(SearchError, match="its data was"):
        search("old", changed).run(resume=True)


def test_fingerprints_of_one_version_are_compared_by_it_alone(
    make: Any, first_warnings: pytest.LogCaptureFixture
) -> None:
    described: Description = make().description
    other = replace(described, data="2:" + "0" * 32)
    assert described.older_data == other.older_data
    assert not described.same_data(other)
    assert not first_warnings.messages
