"""Trials that pause: what a checkpoint is, that it outlives its worker, what tables bill after a pause."""

import dataclasses
import json
import math
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

from search_spaces import Classification, Signature, Space, Vector, integer
from search_spaces.errors import ExecutorError, FormatError
from workers.job import Checkpoint, Event, Finished, HeldWeights, Job, Report, Reported
from workers.pool.pool import Pool
from workers.recipe import Recipe
from workers.tabular import Answer, Simulated, Table
from workers.testing.jobs import answers, architecture, drain, faulty, points, run
from workers.training.learning import Learning
from workers.training.optimization import FusedOptimizer
from workers.trial import checkpoint_format, trial
from workers.trial.checkpoint_format import Epoch


def test_a_checkpoint_brings_network_and_optimizer_to_where_they_were() -> None:
    job = Job(0, architecture(epochs=7), seed=4)

    def made(seed: int) -> tuple[torch.nn.Module, Learning]:
        torch.manual_seed(seed)
        network = job.architecture.build(points().signature)
        optimizer = FusedOptimizer(network.parameters(), Recipe())
        network(torch.rand(9, 5)).sum().backward()
        optimizer.step(0.1)
        return network, Learning({"optimizer": optimizer}, torch.nn.Linear(2, 2))

    (network, learning), (other, its) = made(0), made(1)
    history = [Epoch(Report(epoch, {"loss": 1 / epoch}, 0.1, 2.0, 3.0), 4.0 * epoch) for epoch in range(1, 8)]
    data = checkpoint_format.save(job, network, learning, history)
    assert checkpoint_format.restore(data, job, other, its) == history
    assert checkpoint_format.save(job, other, its, history) == data


def test_a_checkpoint_that_does_not_fit_changes_nothing() -> None:
    job = Job(0, architecture(), seed=4)
    network = job.architecture.build(points().signature)
    learning = Learning({"optimizer": FusedOptimizer(network.parameters(), Recipe())})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    other = Learning({"optimizer": FusedOptimizer(network.parameters(), Recipe(optimizer="sgd"))})
    torch.nn.init.ones_(next(network.parameters()))
    data = checkpoint_format.save(job, network, other, [])
    network.load_state_dict(before)
    with pytest.raises(FormatError, match=r"not of this network and recipe: optimizer\.0\.1, optimizer"):
        checkpoint_format.restore(data, job, network, learning)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("limit", ["memory", "silence", "seconds", "save_seconds"])
def test_a_limit_below_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ExecutorError, match=f"Job: {limit}: expected a .*number "):
        Job(0, architecture(), 0, **{limit: -1})  # type: ignore[arg-type]


def test_a_folder_without_a_name_is_refused() -> None:
    with pytest.raises(ExecutorError, match="job 0: expected the URI of a folder, got ' '"):
        Job(0, architecture(), 0, folder=" ")


@pytest.mark.parametrize(
    ("until", "epochs", "trained"), [(0, None, 0), (3, None, 3), (2, None, 3), (5, 3, 3), (None, 0, 0)]
)
def test_a_job_that_trains_nothing_is_refused(until: int | None, epochs: int | None, trained: int) -> None:
    begun = Checkpoint(trained, HeldWeights(b"")) if trained else None
    with pytest.raises(ExecutorError, match=r"Job: (until|epochs): expected|job 0: expected"):
        Job(0, architecture(), 0, epochs=epochs, until=until, checkpoint=begun)


@pytest.mark.usefixtures("ray_cluster")
def test_a_checkpoint_outlives_the_worker_that_made_it(tmp_path: Path) -> None:
    marker = tmp_path / "process"
    job = Job(0, faulty("own process", marker), seed=2, epochs=4, until=2)
    *whole, end = trial.run(Job(0, job.architecture, seed=2, epochs=4), points())
    with Pool(workers=1) as pool:
        pool.open(points())
        *_, paused = run(pool, job)
        assert isinstance(paused, Finished)
        os.kill(int(marker.read_text()), signal.SIGKILL)
        events = run(pool, Job(0, job.architecture, seed=2, epochs=4, checkpoint=paused.checkpoint))
    assert answers(events) == answers([*whole[2:], end])


@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_is_lost_after_a_pause_costs_what_came_after_it_only(tmp_path: Path) -> None:
    marker = tmp_path / "was here"
    marker.touch()
    job = Job(0, faulty("killed once", marker), seed=2, epochs=4, until=2)
    with Pool(workers=1) as pool:
        pool.open(points())
        *_, paused = run(pool, job)
        assert isinstance(paused, Finished)
        marker.unlink()
        *reports, end = run(pool, Job(0, job.architecture, seed=2, epochs=4, checkpoint=paused.checkpoint))
    assert isinstance(end, Finished)
    assert end.attempts == 2
    assert [event.report.epoch for event in reports if isinstance(event, Reported)] == [3, 4]


@pytest.mark.soak
@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_is_lost_costs_no_more_than_what_was_not_saved(tmp_path: Path) -> None:
    marker = tmp_path / "was here"
    network = faulty("killed once", marker)
    marker.touch()
    (*_, whole) = trial.run(Job(0, network, seed=2, epochs=300), points())
    with Pool(workers=1) as pool:
        pool.open(points())
        pool.start(Job(0, network, seed=2, epochs=300, folder=str(tmp_path / "trial"), save_seconds=0.0))
        reports = pool.events(timeout=120)
        while len(reports) < 3:
            reports += pool.events(timeout=120)
        marker.unlink()
        *others, end = drain(pool)
    assert isinstance(end, Finished)
    assert end.attempts == 2
    assert end.log.startswith("goes on after epoch ")
    assert answers([end]) == answers([whole])
    epochs = [event.report.epoch for event in [*reports, *others] if isinstance(event, Reported)]
    assert epochs == list(range(1, 301))


def test_a_table_bills_each_epoch_once() -> None:
    curve = tuple(({"accuracy": float(t)}, 10.0 * t) for t in range(1, 7))
    answer = Answer(curve[-1][0], 60.0, {"accuracy": 5.5}, epochs=curve)
    space = Space({"a": integer(0, 9)})
    table = Table("curves", space, Signature({"x": Vector(1)}, {"y": Classification(2)}), lambda _: answer)
    network = space.architecture({"a": 1})
    with Simulated() as executor:
        executor.open(table)  # type: ignore[arg-type]
        *_, paused = run(executor, Job(0, network, 0, until=2))
        assert isinstance(paused, Finished)
        assert (paused.metrics, paused.test_metrics, paused.seconds) == ({"accuracy": 2.0}, {}, 20.0)
        *reports, end = run(executor, Job(0, network, 0, checkpoint=paused.checkpoint))
        assert isinstance(end, Finished)
        assert (end.metrics, end.test_metrics, end.seconds) == ({"accuracy": 6.0}, {"accuracy": 5.5}, 40.0)
        assert [event.report.epoch for event in reports if isinstance(event, Reported)] == [3, 4, 5, 6]
        assert executor.clock() == executor.busy_seconds == 60.0
        assert end.checkpoint is None
        assert paused.checkpoint is not None
        (*_, whole) = run(executor, Job(0, network, 0, epochs=4, until=5))
        assert isinstance(whole, Finished)
        assert whole.checkpoint is None


def _saved(change: Callable[[dict[str, Any]], Any] = lambda about: None, *, digest: bool = False) -> bytes:
    """A checkpoint of a trial after two of its four epochs, with another header."""
    *_, paused = run_here(dataclasses.replace(JOB, until=2))
    assert isinstance(paused, Finished)
    assert paused.checkpoint is not None
    data = paused.checkpoint.state.read()
    size = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:size])
    about = json.loads(header["__metadata__"]["checkpoint"])
    if not digest:
        del about["digest"]  # as one that was forged by hand
    change(about)
    header["__metadata__"]["checkpoint"] = json.dumps(about)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[size:]


JOB = Job(0, architecture(epochs=4), seed=3)


def run_here(job: Job) -> list[Event]:
    return list(trial.run(job, points()))


def _first(about: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = about["history"][0]["report"]
    return report


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "many epochs": lambda about: about.update(
        history=[
            {**about["history"][0], "report": {**_first(about), "epoch": n, "metrics": {"accuracy": 7.5}}}
            for n in range(1, 1001)
        ]
    ),
    "one epoch too few": lambda about: about["history"].pop(),
    "an accuracy of 7.5": lambda about: _first(about)["metrics"].update(accuracy=7.5),
    "an accuracy that is none": lambda about: _first(about)["metrics"].update(accuracy=math.nan),
    "a metric of another problem": lambda about: _first(about)["metrics"].update(rmse=0.5),
    "no loss": lambda about: _first(about)["metrics"].pop("loss"),
    "a loss without end": lambda about: _first(about).update(train_loss=math.inf),
    "times that go back": lambda about: about["history"][0].update(spent=1e9),
    "nested text": lambda about: about.update(history=[[]]),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_state_to_which_no_training_leads_is_passed_over(forged: str, tmp_path: Path) -> None:
    whole, data = answers(run_here(JOB)), _saved(FORGED[forged])
    held = dataclasses.replace(JOB, checkpoint=Checkpoint(2, HeldWeights(data)))
    (tmp_path / "epoch-2.safetensors").write_bytes(data)
    for job in (held, dataclasses.replace(JOB, folder=str(tmp_path))):
        events = run_here(job)
        assert isinstance(events[-1], Finished)
        assert answers(events) == whole
        assert "checkpoint of epoch 2 is damaged, passed over" in events[-1].log


def test_an_older_state_without_a_digest_is_gone_on_from() -> None:
    *_, end = run_here(dataclasses.replace(JOB, checkpoint=Checkpoint(2, HeldWeights(_saved()))))
    assert isinstance(end, Finished)
    assert "goes on after epoch 2" in end.log


def test_a_header_that_is_nested_without_end_is_passed_over() -> None:
    depth = 100_000
    texts = [
        json.dumps({"__metadata__": {"checkpoint": "[" * depth}}),
        '{"__metadata__":' + '{"a":' * depth + "1" + "}" * depth + "}",
    ]
    for text in texts:
        data = len(text).to_bytes(8, "little") + text.encode()
        *_, end = run_here(dataclasses.replace(JOB, checkpoint=Checkpoint(2, HeldWeights(data))))
        assert isinstance(end, Finished)
        assert "is damaged" in end.log


@pytest.mark.parametrize("kind", ["pipe", "endless", "large"])
def test_a_state_that_does_not_end_is_passed_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "epoch-2.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        with open(path, "wb") as file:
            file.truncate(2**40)  # takes no room
    *_, end = run_here(dataclasses.replace(JOB, folder=str(tmp_path)))
    assert isinstance(end, Finished)
    assert "checkpoint of epoch 2 is damaged, passed over" in end.log


@hypothesis.settings(max_examples=60, derandomize=True)
@hypothesis.given(st.data())
def test_no_byte_of_a_state_can_be_changed_unnoticed(data: st.DataObject) -> None:
    state = bytearray(_state())
    place = data.draw(st.integers(0, len(state) - 1))
    state[place] ^= data.draw(st.integers(1, 255))
    network = JOB.architecture.build(points().signature)
    learning = Learning({"optimizer": FusedOptimizer(network.parameters(), Recipe())})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(FormatError):
        checkpoint_format.restore(
            bytes(state), JOB, network, learning, epoch=2, tasks=points().signature.tasks
        )
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@cache
def _state() -> bytes:
    torch.manual_seed(0)
    network = JOB.architecture.build(points().signature)
    learning = Learning({"optimizer": FusedOptimizer(network.parameters(), Recipe())})
    metrics = {"loss": 0.5, "accuracy": 0.25}
    history = [Epoch(Report(epoch, metrics, 0.1, 2.0, 3.0), 4.0 * epoch) for epoch in (1, 2)]
    return checkpoint_format.save(JOB, network, learning, history)
