"""The shares of a card's memory, and who may ask for which."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from search_spaces.errors import ExecutorError
from workers.inline import Inline
from workers.job import Finished, Job
from workers.remote import card_memory
from workers.remote.cluster import Resources
from workers.remote.runners import pack, runner
from workers.testing.jobs import architecture, points

GIB = 2**30


def test_what_cuda_itself_takes_is_left_out_of_a_share() -> None:
    assert card_memory.of_the_tensors(0.25, 16 * GIB) == pytest.approx(0.25 - 1 / 32)
    assert card_memory.of_the_tensors(0.0625, 8 * GIB) == pytest.approx(0.03125)  # half of it, at least
    assert card_memory.of_the_tensors(1.0, 8 * GIB) == 1.0


def test_torch_is_told_the_share_of_the_card_that_the_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=16 * GIB))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    card_memory.hold_to(0.5, "cuda")
    card_memory.hold_to(1.0, "cuda")
    assert told == [0.5 - 1 / 32, 1.0]


def test_a_worker_without_a_card_is_held_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", pytest.fail)
    card_memory.hold_to(0.5, "cpu")


def test_a_trial_is_held_to_its_own_share_and_the_next_to_the_workers_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[float] = []
    monkeypatch.setattr("workers.remote.runners.hold_to", lambda share, device: held.append(share))
    run = runner(pack(points()), 1, "cpu", share=0.125)
    assert held == [0.125]
    for share in (None, 1.0, None, None):
        *_, end = run(Job(0, architecture(), 0), lambda: None, share=share)
        assert isinstance(end, Finished)
    assert held == [0.125, 1.0, 0.125]


def test_a_worker_that_has_the_whole_card_is_held_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[float] = []
    monkeypatch.setattr("workers.remote.runners.hold_to", lambda share, device: held.append(share))
    run = runner(pack(points()), 1, "cpu")
    list(run(Job(0, architecture(), 0), lambda: None))
    assert held == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_worker_whose_torch_sees_no_card_says_so() -> None:
    with pytest.raises(ExecutorError, match="can use no GPU on a node where Ray counts one"):
        runner(pack(points()), 1, "cuda")


@pytest.mark.parametrize(("gpus", "share"), [(0, 1.0), (0.125, 0.125), (1, 1.0), (4, 1.0)])
def test_a_share_of_a_gpu_is_that_share_of_its_memory(gpus: float, share: float) -> None:
    assert Resources(gpus=gpus).share == share


@pytest.mark.parametrize("gpus", [-1, True, 1.5, "half", float("nan"), float("inf"), 1e-5, None])
def test_what_is_no_share_of_a_gpu_is_refused(gpus: Any) -> None:
    with pytest.raises(ExecutorError, match=r"gpus: expected a"):
        Resources(gpus=gpus)


@pytest.mark.parametrize("gpus", [-0.5, 2, True, "half", float("nan"), None])
def test_one_process_has_one_card_at_most(gpus: Any) -> None:
    with pytest.raises(
        ExecutorError,
        match=r"^Inline.*gpus.*: expected (0, a share of one GPU|a number of at least 0 or 'auto')",
    ):
        Inline(gpus=gpus)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("gpus", [0.125, 1, "auto"])
def test_a_share_of_a_card_that_is_not_there_is_refused_when_it_opens(gpus: Any) -> None:
    with pytest.raises(ExecutorError, match="has no GPU that torch can use"):
        Inline(gpus=gpus).open(points())
