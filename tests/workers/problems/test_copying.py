"""A problem keeps what it was made of: nobody changes it later; what lies in files stays there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.search.fingerprint import fingerprint
from search_spaces.inputs import Vector
from search_spaces.signature import Signature
from search_spaces.tasks import Classification
from workers.problems import Problem, Split
from workers.remote.runners import pack, unpack

pytestmark = pytest.mark.filterwarnings("ignore:.*not writable.*:UserWarning")

SIGNATURE = Signature({"vector": Vector(3)}, {"label": Classification(2)})


def numbers(seed: int = 0, count: int = 40) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.random((count, 3), dtype=np.float32), rng.integers(0, 2, count)


def tensors(seed: int = 0, count: int = 40) -> tuple[Any, Any]:
    inputs, labels = numbers(seed, count)
    return torch.from_numpy(inputs), torch.from_numpy(labels)


def values(problem: Problem) -> list[Tensor]:
    splits = (problem.train, problem.validation, problem.test)
    return [tensor.clone() for one in splits for tensor in (*one.inputs.values(), *one.targets.values())]


def same(problem: Problem, before: list[Tensor]) -> bool:
    return all(map(torch.equal, values(problem), before))


def of_arrays(parts: list[tuple[Any, Any]]) -> Problem:
    return Problem.from_tensors("p", *parts)


def of_mappings(parts: list[tuple[Any, Any]]) -> Problem:
    return Problem.from_tensors("p", *(({"vector": x}, {"label": y}) for x, y in parts))


def of_one(parts: list[tuple[Any, Any]]) -> Problem:
    return Problem.from_tensors("p", parts[0])


def of_splits(parts: list[tuple[Any, Any]]) -> Problem:
    train, validation, test = (
        Split({"vector": torch.as_tensor(x)}, {"label": torch.as_tensor(y)}) for x, y in parts
    )
    return Problem("p", SIGNATURE, train, validation, test)


def of_a_dataset(parts: list[tuple[Any, Any]]) -> Problem:
    sets = [torch.utils.data.TensorDataset(*map(torch.as_tensor, part)) for part in parts]
    return Problem.from_dataset("p", *sets)


@pytest.mark.parametrize("make", [of_arrays, of_mappings, of_one, of_splits, of_a_dataset])
@pytest.mark.parametrize("kind", [numbers, tensors])
def test_what_becomes_of_the_arrays_later_changes_nothing(
    make: Callable[[list[tuple[Any, Any]]], Problem], kind: Callable[[int], tuple[Any, Any]]
) -> None:
    parts = [kind(seed) for seed in range(3)]
    problem = make(parts)
    before, known = values(problem), fingerprint(problem)
    for inputs, labels in parts:
        inputs[:] = 0.5
        labels[:] = 1 - labels
    assert same(problem, before)
    assert fingerprint(replace(problem)) == known


def test_what_becomes_of_a_dict_of_tensors_later_changes_nothing() -> None:
    inputs, labels = tensors()
    train = Split({"vector": inputs}, {"label": labels})
    problem = Problem("p", SIGNATURE, train, train, train)
    before = values(problem)
    train.targets["label"] = 1 - labels
    assert same(problem, before)


def test_masks_and_domains_are_copied_too() -> None:
    inputs, labels = tensors()
    there, domain = torch.ones(40, dtype=torch.bool), torch.zeros(40, dtype=torch.int64)
    part = Split({"vector": inputs}, {"label": labels}, labelled={"label": there}, domain=domain)
    problem = Problem.from_tensors("p", part, part, part, signature=SIGNATURE)
    there[:] = False
    domain[:] = 7
    assert bool(problem.train.labelled["label"].all())
    assert problem.train.domain is not None
    assert not bool(problem.train.domain.any())


def test_what_is_given_twice_is_copied_once() -> None:
    inputs, _ = tensors()
    problem = Problem.from_tensors("p", (inputs, inputs), 0.2, 0.2)
    part = Problem.from_tensors("p", (inputs, inputs), (inputs, inputs), (inputs, inputs)).train
    assert len(problem.train) < 40
    assert part.inputs["vector"].data_ptr() == part.targets["value"].data_ptr() != inputs.data_ptr()
    split = Split(*({name: tensor} for name, tensor in zip(("vector", "label"), tensors(), strict=True)))
    problem = Problem("p", SIGNATURE, split, split, split)
    places = {one.inputs["vector"].data_ptr() for one in (problem.train, problem.validation, problem.test)}
    assert len(places) == 1
    assert split.inputs["vector"].data_ptr() not in places


def test_what_nobody_can_change_is_not_copied() -> None:
    inputs, labels = numbers()
    inputs.flags.writeable = labels.flags.writeable = False
    problem = Problem.from_tensors("p", *[(inputs, labels)] * 3)
    assert problem.train.inputs["vector"].data_ptr() == inputs.ctypes.data


def test_a_view_that_is_not_writable_of_what_is_writable_is_copied() -> None:
    whole, labels = numbers()
    view = whole[:]
    view.flags.writeable = False
    problem = Problem.from_tensors("p", *[(view, labels)] * 3)
    before = values(problem)
    whole[:] = 0
    assert same(problem, before)


def test_a_mapped_file_is_hashed_and_not_copied(tmp_path: Path) -> None:
    inputs, labels = numbers()
    np.save(tmp_path / "inputs.npy", inputs)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    problem = Problem.from_tensors("p", *[(mapped, labels)] * 3)
    assert problem.train.inputs["vector"].data_ptr() == mapped.ctypes.data
    assert problem.mapped == (str(tmp_path / "inputs.npy"),)
    in_memory = Problem.from_tensors("p", *[(inputs, labels)] * 3)
    known = fingerprint(problem)
    assert known == fingerprint(in_memory)
    written = np.load(tmp_path / "inputs.npy", mmap_mode="r+")
    written[7, 1] += 1
    written.flush()
    (tmp_path / "inputs.npy").touch()
    assert fingerprint(problem) != known  # though the object is the same
    assert fingerprint(problem.to("cpu")) == fingerprint(problem)


@pytest.mark.parametrize("shared", [False, True])
def test_a_tensor_of_a_file_is_not_copied(tmp_path: Path, shared: bool) -> None:
    inputs, labels = tensors(count=100_000)
    (tmp_path / "inputs").write_bytes(inputs.numpy().tobytes())
    mapped = torch.from_file(str(tmp_path / "inputs"), shared=shared, size=300_000).view(-1, 3)
    part = Split({"vector": mapped}, {"label": labels})
    for problem in (
        Problem("p", SIGNATURE, part, part, part),
        Problem.from_tensors("p", part, part, part, signature=SIGNATURE),
    ):
        assert problem.train.inputs["vector"].data_ptr() == mapped.data_ptr()
        assert problem.train.targets["label"].data_ptr() != labels.data_ptr()


def test_without_copies_the_tensors_are_those_that_were_given() -> None:
    inputs, labels = tensors()
    part = Split({"vector": inputs}, {"label": labels})
    for problem in (
        Problem("p", SIGNATURE, part, part, part, copy=False),
        Problem.from_tensors("p", (inputs, labels), part, part, signature=SIGNATURE, copy=False),
    ):
        assert problem.train.inputs["vector"].data_ptr() == inputs.data_ptr()


def test_a_problem_is_not_copied_on_its_way_to_a_worker_nor_to_a_device() -> None:
    problem = of_arrays([numbers(seed) for seed in range(3)])
    packed = pack(problem)
    there = unpack(packed)
    array = packed["splits"]["train"]["inputs"]["vector"]
    assert there.train.inputs["vector"].data_ptr() == array.ctypes.data
    moved = problem.to("cpu")
    assert moved.train.inputs["vector"].data_ptr() == problem.train.inputs["vector"].data_ptr()
