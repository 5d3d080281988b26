"""Trackers write what the tools that they are for can read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted
from typer.testing import CliRunner

import nas
from nas import Callback
from nas.cli import app
from nas.integrations import TensorBoard, tracker_of
from nas.records import EpochReport, Trial
from nas.store.store import Store
from search_spaces.errors import NasError, UnknownNameError
from workers.executor import Card
from workers.job import Failed, Job


def some_fail(job: Job) -> dict[str, float] | Failed:
    if job.number % 3 == 1:
        return Failed(job.number, "not_finite", "training loss became nan", "", False, 0.1)
    return {"loss": 0.5, "accuracy": job.number / 10}


def on_cards(name: str) -> Scripted:
    """An executor of two cards."""
    cards = [
        Card("GPU-0", "NVIDIA H100", "node", 3, 8, 0.5, 2**33, 2**36),
        Card("GPU-1", "A100", "node", 0, 1),
    ]
    return Scripted(some_fail, ran=lambda job: {"device": name, "precision": "bfloat16"}, cards=lambda: cards)


def events(folder: Path) -> list[Any]:
    """The events in the event files of a folder, read as their format says: length, check, record, check."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(folder.glob("events.out.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
    return found


def test_tensorboard_has_the_curves_the_decisions_and_the_best_so_far(make: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    tracker = TensorBoard(tmp_path / "runs")
    make("random", name="a search", trials=4, executor=Scripted(some_fail), callbacks=[tracker]).run()
    make("random", name="a search", trials=4, callbacks=[tracker]).extend(trials=1).run(resume=True)
    board = nas.leaderboard(tmp_path / "store.db").set_index("number")
    whole = scalars(tmp_path / "runs" / "a search")
    assert whole["trials/accuracy"] == [(n, board["accuracy"][n]) for n in (0, 2, 3, 4)]
    assert whole["best/accuracy"][0][1] == 0.0
    assert whole["best/accuracy"][-1][1] == board["accuracy"].max()
    folders = {path.name: path for path in (tmp_path / "runs" / "a search").iterdir() if path.is_dir()}
    assert set(folders) == {f"{n:05d}-{board['id'][n][:8]}" for n in range(5)}
    third = folders[f"00002-{board['id'][2][:8]}"]
    assert scalars(third)["accuracy"] == [(1, 0.2)]
    assert scalars(third)["result/num_params"] == [(1, 7.0)]
    written = b"".join(event.SerializeToString() for event in events(third))
    assert b"_hparams_/session_start_info" in written
    assert b"not_finite" not in written


def test_tensorboard_has_the_cards_over_time_and_the_device_of_each_trial(make: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    make(name="mine", trials=3, executor=on_cards("NVIDIA H100"), callbacks=[TensorBoard(tmp_path)]).run()
    whole = scalars(tmp_path / "mine")
    first = {tag: values[0] for tag, values in whole.items() if tag.startswith("cards/")}
    assert {tag: value for tag, (_, value) in first.items()} == {
        "cards/GPU-0/busy": 0.5,
        "cards/GPU-0/memory_bytes": 2**33,
        "cards/GPU-0/trials": 3,
        "cards/GPU-0/room": 8,
        "cards/GPU-1/trials": 0,  # how busy it is was not measured, nor its memory
        "cards/GPU-1/room": 1,
    }
    assert len({seconds for seconds, _ in first.values()}) == 1  # the second that the turn began in
    (trial,) = tmp_path.glob("mine/00000-*")
    written = b"".join(event.SerializeToString() for event in events(trial))
    assert b"NVIDIA H100" in written
    assert b"bfloat16" in written


def test_tensorboard_itself_reads_it(make: Any, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    make(name="mine", trials=3, callbacks=[TensorBoard(tmp_path / "runs")]).run()
    found = accumulators.EventAccumulator(str(tmp_path / "runs" / "mine"))
    found.Reload()
    assert [event.step for event in found.Scalars("trials/accuracy")] == [0, 1, 2]
    (trial,) = (tmp_path / "runs" / "mine").glob("00000-*")
    plugins = accumulators.EventAccumulator(str(trial)).Reload().PluginTagToContent("hparams")
    assert "_hparams_/session_start_info" in plugins


@pytest.mark.slow
def test_mlflow_has_an_experiment_with_a_run_for_each_network(make: Any, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = tracker_of(f"mlflow:{uri}")
    make(name="mine", trials=3, executor=Scripted(some_fail), callbacks=[tracker]).run()
    make(name="mine", trials=3, callbacks=[tracker]).extend(trials=1).run(resume=True)
    with Store(tmp_path / "store.db") as store:
        trials = store.trials(1)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mine")
    runs = client.search_runs([experiment.experiment_id])
    by_number = {int(run.data.tags["nas.number"]): run for run in runs}
    assert sorted(by_number) == [0, 1, 2, 3]
    for trial in trials:
        run = by_number[trial.number]
        assert run.data.params == {path: str(value) for path, value in trial.decisions.items()}
        assert run.data.tags["nas.id"] == trial.architecture_id
        assert run.info.status == ("FAILED" if trial.status == "failed" else "FINISHED")
    assert by_number[1].data.tags["nas.reason"] == "not_finite"
    assert by_number[2].data.metrics["accuracy"] == pytest.approx(0.2)
    assert by_number[2].data.metrics["test_accuracy"] == pytest.approx(0.2)
    (point,) = client.get_metric_history(by_number[2].info.run_id, "train_loss")
    assert (point.step, point.value) == (1, 0.5)


@pytest.mark.slow
def test_mlflow_has_a_run_of_the_cards_to_which_a_search_that_goes_on_adds(make: Any, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for resume in (False, True):  # by a driver each
        tracker = tracker_of(f"mlflow:{uri}")
        search = make(name="mine", trials=3, executor=on_cards("NVIDIA H100"), callbacks=[tracker])
        (search.extend(trials=1) if resume else search).run(resume=resume)
    client = mlflow.MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    by_number = {run.data.tags["nas.number"]: run for run in found}
    assert len(found) == len(by_number) == 5
    of_cards = by_number["cards"]
    assert of_cards.info.status == "FINISHED"
    assert of_cards.data.metrics["GPU-0/busy"] == 0.5
    assert of_cards.data.metrics["GPU-1/room"] == 1
    assert "GPU-1/busy" not in of_cards.data.metrics
    assert by_number["0"].data.tags["nas.device"] == "NVIDIA H100"
    assert by_number["0"].data.tags["nas.precision"] == "bfloat16"
    assert "nas.device" not in by_number["1"].data.tags  # it failed


@pytest.mark.slow
def test_mlflow_goes_on_with_the_run_of_a_trial_that_was_interrupted(make: Any, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    class Pressed(Callback):
        def on_report(self, trial: Trial, report: EpochReport) -> None:
            if trial.number == 1:
                raise KeyboardInterrupt

    class Reports(Scripted):
        """Gives the report of a job before its end."""

        def events(self, timeout: float | None = None) -> list[Any]:
            if not getattr(self, "left", []):
                self.left = super().events(timeout)
            first, self.left = self.left[:1], self.left[1:]
            return first

    search = make(name="mine", trials=2, executor=Reports())
    search.callbacks += [tracker_of(f"mlflow:{uri}"), Pressed()]
    with pytest.raises(KeyboardInterrupt):
        search.run()
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mine").experiment_id
    statuses = {r.data.tags["nas.number"]: r.info.status for r in client.search_runs([experiment])}
    assert statuses == {"0": "FINISHED", "1": "KILLED"}
    make(name="mine", trials=2, callbacks=[tracker_of(f"mlflow:{uri}")]).run(resume=True)
    statuses = {r.data.tags["nas.number"]: r.info.status for r in client.search_runs([experiment])}
    assert statuses == {"0": "FINISHED", "1": "FINISHED"}
    assert len(client.search_runs([experiment])) == 2


@pytest.mark.slow
def test_weights_and_biases_has_a_run_to_be_sent_later(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    tracker = tracker_of(f"wandb:{tmp_path}/offline")
    make(name="mine", trials=3, executor=on_cards("NVIDIA H100"), callbacks=[tracker]).run()
    (file,) = (tmp_path / "offline" / "wandb").glob("offline-run-*/run-*.wandb")
    history, summary, config = read_wandb(file)
    ended = [line for line in history if "trial/status" in line]
    assert [line["trial/status"] for line in ended] == ["complete", "failed", "complete"]
    assert ended[2]["trial/accuracy"] == pytest.approx(0.2)
    assert (ended[2]["trial/device"], ended[2]["trial/precision"]) == ("NVIDIA H100", "bfloat16")
    of_cards = [line for line in history if "cards/seconds" in line]
    assert of_cards[0]["cards/GPU-0/memory_bytes"] == 2**33
    assert "cards/GPU-1/busy" not in of_cards[0]
    assert set(ended[0]) >= {"decision/a", "decision/b", "decision/op"}
    assert [line["epoch/number"] for line in history if "epoch/number" in line] == [1, 1]
    assert summary["best/accuracy"] == pytest.approx(0.2)
    assert config["problem"] == "larger"


def read_wandb(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """History, summary and configuration in W&B's own file: protobufs in LevelDB's log format."""
    import json

    from wandb.proto.wandb_internal_pb2 import Record

    data, records, begun = file.read_bytes(), [], b""
    place = 7  # after the header
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        begun += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            records.append(Record.FromString(begun))
            begun = b""

    def items(of: Any) -> dict[str, Any]:
        return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in of}

    history = [items(record.history.item) for record in records if record.HasField("history")]
    summary: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for record in records:
        summary |= items(record.summary.update)
        config |= items(record.run.config.update)
    return history, summary, config


def test_the_command_line_names_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboardX")
    monkeypatch.chdir(tmp_path)
    options = ["--space", "mlp", "--epochs", "1", "--executor", "inline", "--store", "sqlite:///s.db"]
    track = ["--track", "tensorboard:one", "--track", f"tensorboard:{tmp_path}/two"]
    command = ["search", *options, "--trials", "1", "--name", "mine", *track]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    for folder in ("one", "two"):
        assert [step for step, _ in scalars(tmp_path / folder / "mine")["trials/accuracy"]] == [0]
    command = ["extend", "mine", "--trials", "+1", *options[4:], "--track", "tensorboard:one"]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    assert [step for step, _ in scalars(tmp_path / "one" / "mine")["trials/accuracy"]] == [0, 1]


def test_an_unknown_tracker_is_named(make: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"no tracker named 'tensorbord'.*did you mean 'tensorboard'"):
        tracker_of("tensorbord:runs")


def test_a_tracker_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(NasError, match=r"pip install 'nasforge\[mlflow\]'"):
        tracker_of("mlflow")
