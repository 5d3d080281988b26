"""One trial: what it goes on from, what it may hold, what it prints, and how it leaves its process."""

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import joined_networks
import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from search_spaces import Architecture, layer
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Report, Reported
from workers.recipe import Recipe
from workers.testing.jobs import answers, architecture, points
from workers.training.learning import Learning
from workers.training.optimization import FusedOptimizer
from workers.training.standardisation import standardise
from workers.trial import checkpoint_format, residue, trial
from workers.trial.checkpoint_folder import CheckpointFolder, SavedWeights
from workers.trial.checkpoint_format import Epoch
from workers.trial.memory import held

MIB = 2**20


def events_of(job: Job) -> list[Event]:
    return list(trial.run(job, points()))


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1]


def failed(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]


def broken_off(job: Job, *, after: int) -> None:
    """Run a job, saving all, until it has reported so many epochs; and one step on, so that this is saved."""
    steps = trial.run(dataclasses.replace(job, save_seconds=0.0), points())
    for _ in range(after + 1):
        assert isinstance(next(steps), Reported)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(0, architecture(), seed=3, epochs=5, folder=str(tmp_path / "trial"))


@pytest.fixture
def folder(job: Job) -> CheckpointFolder:
    assert job.folder is not None
    return CheckpointFolder(job.folder)


@pytest.fixture
def whole(job: Job) -> dict[int, list[object]]:
    """What an unbroken trial says."""
    return answers(events_of(dataclasses.replace(job, folder=None)))


# ---- going on


def test_a_trial_that_breaks_off_ends_as_one_that_does_not(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]]
) -> None:
    broken_off(job, after=3)
    assert [state.epoch for state in folder.saved()] == [3]
    events = events_of(job)
    assert answers(events) == whole
    assert finished(events).log == "goes on after epoch 3\n"


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_ends_as_one_that_is_not(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]]
) -> None:
    script = f"""
import os, signal
from workers.testing.jobs import architecture, points
from workers.job import Job
from workers.trial import trial
steps = trial.run(Job(0, architecture(), 3, epochs=5, folder={job.folder!r}, save_seconds=0.0), points())
for _ in range(3):
    next(steps)
os.kill(os.getpid(), signal.SIGKILL)
"""
    tests = Path(__file__).parents[2]
    path = {"PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    ended = subprocess.run([sys.executable, "-c", script], check=False, env={**os.environ, **path})
    assert ended.returncode == -signal.SIGKILL
    assert [state.epoch for state in folder.saved()] == [2]
    assert answers(events_of(job)) == whole


def test_a_pause_is_saved_and_read_on_any_machine_that_reaches_it(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]]
) -> None:
    before = events_of(dataclasses.replace(job, until=2))
    paused = finished(before).checkpoint
    assert paused == folder.saved()[0]
    assert paused.state == SavedWeights(f"{job.folder}/epoch-2.safetensors")
    after = events_of(dataclasses.replace(job, checkpoint=paused, folder=None))
    assert answers([*before[:-1], *after]) == whole


def test_a_trial_that_breaks_off_after_a_pause_goes_on_from_there(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]]
) -> None:
    paused = finished(events_of(dataclasses.replace(job, folder=None, until=2))).checkpoint
    resumed = dataclasses.replace(job, checkpoint=paused)
    broken_off(resumed, after=1)
    assert [state.epoch for state in folder.saved()] == [3]
    assert answers(events_of(resumed))[0] == whole[0][2:]


def test_a_trial_that_broke_off_behind_its_checkpoint_goes_on_from_that(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]]
) -> None:
    broken_off(job, after=1)
    paused = finished(events_of(dataclasses.replace(job, folder=None, until=3))).checkpoint
    assert answers(events_of(dataclasses.replace(job, checkpoint=paused)))[0] == whole[0][3:]


def test_a_pause_that_nobody_heard_of_is_told_again_without_training(job: Job) -> None:
    pausing = dataclasses.replace(job, until=2)
    first, again = events_of(pausing), events_of(pausing)
    assert answers(again) == answers(first)
    assert again[0] == first[0]  # to the second: the same report, not the same training
    assert finished(again).checkpoint == finished(first).checkpoint


def test_a_state_behind_the_pause_is_of_no_use_for_it(job: Job, whole: dict[int, list[object]]) -> None:
    broken_off(job, after=4)
    *reports, end = events_of(dataclasses.replace(job, until=2))
    assert answers(reports)[0] == whole[0][:2]
    assert isinstance(end, Finished)
    assert end.checkpoint is not None


@pytest.mark.parametrize(
    "change",
    [{"seed": 4}, {"epochs": 6}, {"architecture": architecture(dropout=0.5)}],
    ids=["seed", "epochs", "network"],
)
def test_a_state_of_another_trial_is_passed_over(
    job: Job, whole: dict[int, list[object]], change: dict[str, Any]
) -> None:
    broken_off(dataclasses.replace(job, **change), after=3)
    events = events_of(job)
    assert answers(events) == whole
    assert "checkpoint of epoch 3" in finished(events).log
    assert "passed over: checkpoint: expected one of network" in finished(events).log


@pytest.mark.parametrize("broken", [b"", b"noise" * 100, None], ids=["empty", "noise", "half"])
def test_a_state_that_is_not_whole_is_passed_over(
    job: Job, folder: CheckpointFolder, whole: dict[int, list[object]], broken: bytes | None
) -> None:
    broken_off(job, after=3)
    data = folder.saved()[0].state.read()
    Path(f"{job.folder}/epoch-4.safetensors").write_bytes(data[:-10] if broken is None else broken)
    events = events_of(job)
    assert answers(events) == whole
    assert "checkpoint of epoch 4" in finished(events).log
    assert "passed over: no checkpoint of a trial" in finished(events).log


def test_a_storage_that_fails_costs_a_line_in_the_log(job: Job, whole: dict[int, list[object]]) -> None:
    elsewhere = dataclasses.replace(job, folder="/dev/null/trial", save_seconds=0.0)
    events = events_of(elsewhere)
    assert answers(events) == whole
    assert finished(events).log.count("cannot be saved: NotADirectoryError") == 4
    paused = finished(events_of(dataclasses.replace(elsewhere, until=2))).checkpoint
    assert paused is not None
    assert isinstance(paused.state, HeldWeights)
    assert answers(events_of(dataclasses.replace(job, checkpoint=paused)))[0] == whole[0][2:]


def test_a_trial_saves_no_more_often_than_it_was_told(job: Job, folder: CheckpointFolder) -> None:
    events_of(dataclasses.replace(job, save_seconds=3600.0))
    assert folder.saved() == []
    events_of(dataclasses.replace(job, save_seconds=0.0))
    assert [state.epoch for state in folder.saved()] == [4]  # the end is no state to go on from


@pytest.mark.parametrize(
    "recipe",
    [
        {"balancing": "uncertainty", "alignment": "adversarial", "sampling": "uncertainty"},
        *(
            pytest.param(recipe, marks=pytest.mark.slow)
            for recipe in (
                {"balancing": "dwa", "alignment": "infonce", "modality_dropout": 0.3},
                {"balancing": "pcgrad", "alignment": "mmd", "sampling": "proportional"},
                {"balancing": "random", "sampling": "round_robin", "optimizer": "sgd", "learning_rate": 0.01},
            )
        ),
    ],
)
def test_what_the_loss_learns_and_remembers_is_a_part_of_checkpoints_and_not_of_the_weights(
    recipe: dict[str, Any],
) -> None:
    data = joined_networks.problem().drop(labels=0.3, modalities=0.2)
    domain = torch.arange(len(data.train)) % 2
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, domain=domain))
    network = joined_networks.architecture(data.signature, "private", epochs=5, **recipe)
    whole = list(trial.run(Job(0, network, seed=3), data))
    *reports, end = trial.run(Job(0, network, seed=3, until=3), data)
    assert isinstance(end, Finished)
    rest = list(trial.run(Job(0, network, seed=3, checkpoint=end.checkpoint), data))
    assert answers([*reports, *rest]) == answers(whole)
    assert end.checkpoint is not None
    kept = load(end.checkpoint.state.read())
    assert any(name.startswith("criterion.") for name in kept)
    built = network.build(data.signature)
    built.load_state_dict(load(finished(whole).weights.read()))  # strictly: no name is left over


def saved(job: Job, *spent: float) -> bytes:
    """The state of a trial that has spent so many seconds by the end of each epoch."""
    network = job.architecture.build(points().signature)
    standardise(network, points(), Recipe())
    history = [
        Epoch(Report(epoch, {"loss": 1.0}, 1.0, 1.0, 1.0), seconds) for epoch, seconds in enumerate(spent, 1)
    ]
    learning = Learning({"optimizer": FusedOptimizer(network.parameters(), Recipe())})
    return checkpoint_format.save(job, network, learning, history)


def test_seconds_of_an_earlier_attempt_count(job: Job, folder: CheckpointFolder) -> None:
    folder.save(2, saved(job, 1000.0, 3000.0))
    assert 3000 < finished(events_of(job)).seconds < 4000
    late = failed(events_of(dataclasses.replace(job, seconds=2000.0)))
    assert late.reason == "timeout"
    assert 3000 < late.seconds < 4000


def test_seconds_before_a_pause_do_not_count(job: Job, folder: CheckpointFolder) -> None:
    paused = Checkpoint(1, HeldWeights(saved(job, 1000.0)))
    assert finished(events_of(dataclasses.replace(job, checkpoint=paused))).seconds < 1000
    folder.save(2, saved(job, 1000.0, 3000.0))
    resumed = dataclasses.replace(job, checkpoint=paused, until=3)
    end = finished(events_of(resumed))
    assert 2000 < end.seconds < 3000
    # and it goes into the next state
    again = finished(events_of(dataclasses.replace(job, checkpoint=None, until=3)))
    assert 3000 < again.seconds < 4000


# ---- what goes wrong, or is left behind

KEPT: list[object] = []
"""What networks do not let go of."""


class Careless(nn.Module):
    """Does something in each real pass that concerns its whole process."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        match self.what:
            case "talk":
                print("hello")
                logging.getLogger("network").warning("beware")
            case "talk and fail":
                print("so far, so good")
                raise ValueError("not good")
            case "hold":
                torch.ones(300 * MIB, dtype=torch.uint8)
            case "keep" if not KEPT:
                KEPT.append(torch.ones(400 * MIB, dtype=torch.uint8))
            case "assert":
                raise RuntimeError("CUDA error: device-side assert triggered")
            case "cublas":
                raise RuntimeError(
                    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"
                )
            case "gpu memory":
                raise RuntimeError("CUDA error: out of memory")
            case "modes":
                torch.set_default_dtype(torch.float64)
                torch.set_num_threads(torch.get_num_threads() + 1)
                torch.set_grad_enabled(False)
                torch.set_grad_enabled(True)
            case "no gradients":
                torch.set_grad_enabled(False)
            case "inference":
                KEPT.append(torch.inference_mode())
                KEPT[-1].__enter__()  # type: ignore[attr-defined]
        return x


def careless(what: str) -> Architecture:
    return architecture(layer(Careless, what=what), epochs=2)


def test_a_trial_that_holds_too_much_for_a_moment_runs_out_of_memory() -> None:
    limit = held() + 150 * MIB
    end = failed(events_of(Job(0, careless("hold"), 0, memory=limit)))
    assert end.reason == "out_of_memory"
    assert end.message.startswith("the process held ")
    assert ", the limit is " in end.message
    assert not end.infrastructure
    assert finished(events_of(Job(1, architecture(), 0, memory=limit))).metrics


@pytest.mark.slow
def test_a_process_is_fit_after_ordinary_trials_and_failures() -> None:
    for network in (architecture(), careless("talk and fail"), careless("hold"), careless("gpu memory")):
        end = events_of(Job(0, network, 0))[-1]
        assert isinstance(end, Finished | Failed)
        assert end.fit


def test_a_process_is_not_fit_where_a_trial_has_left_much_behind() -> None:
    residue._host.cache_clear()  # as in a process that begins with this trial
    try:
        assert not finished(events_of(Job(0, careless("keep"), 0))).fit
    finally:
        KEPT.clear()


@pytest.mark.parametrize("error", ["assert", "cublas"])
def test_a_process_is_not_fit_after_an_error_that_breaks_its_gpu(error: str) -> None:
    end = failed(events_of(Job(0, careless(error), 0)))
    assert (end.reason, end.fit) == ("exception", False)


@pytest.mark.parametrize("what", ["modes", "no gradients"])
def test_the_callers_modes_are_in_place_at_each_event_and_after(what: str) -> None:
    before = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
    for event in trial.run(Job(0, careless(what), 0), points()):
        assert (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()) == before
        assert isinstance(event, Reported) or event.fit


def test_a_process_is_not_fit_where_a_mode_cannot_be_left() -> None:
    try:
        assert not failed(events_of(Job(0, careless("inference"), 0))).fit
    finally:
        while KEPT:
            KEPT.pop().__exit__(None, None, None)  # type: ignore[attr-defined]
    assert not torch.is_inference_mode_enabled()


# ---- what it prints


def test_what_a_network_prints_comes_with_the_last_event(capsys: pytest.CaptureFixture[str]) -> None:
    log = finished(events_of(Job(0, careless("talk"), 0))).log
    assert log.startswith("hello\nWARNING network: beware\nhello\n")
    assert capsys.readouterr().out.startswith("hello\nhello\n")
    assert failed(events_of(Job(0, careless("talk and fail"), 0))).log == "so far, so good\n"


def test_streams_are_the_callers_at_each_event_and_when_a_trial_is_left() -> None:
    before = sys.stdout, sys.stderr
    steps = trial.run(Job(0, careless("talk"), 0), points())
    next(steps)
    assert (sys.stdout, sys.stderr) == before
    steps.close()  # type: ignore[attr-defined]
    assert (sys.stdout, sys.stderr) == before
