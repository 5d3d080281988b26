"""What the command line takes and tells of devices: the flags, what ran, and the cards of a search."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted

from nas import Search, cli
from nas.cluster.job import cluster_job
from nas.commands.search import acceleration_of, executor_of, executor_options, gpus_of
from nas.store.store import Store
from search_spaces.errors import SearchError
from workers.acceleration import Acceleration
from workers.executor import Card
from workers.inline import Inline
from workers.job import Job
from workers.pool import Pool
from workers.tune import Tune

CPU = {"device": "cpu", "precision": "float32", "compiled": "no", "graphs": "no", "deterministic": "no"}
H100 = {**CPU, "device": "NVIDIA H100", "precision": "bfloat16", "graphs": "no: it prints"}

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process and an empty folder: returns its output; it must end well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert int(ended.value.code or 0) == 0, err
        return out

    return command


@pytest.fixture
def searched(make: Any, tmp_path: Path) -> Callable[..., Search]:
    """A search that has been run, of which every trial is said to have run so."""

    def search(ran: Callable[[Job], dict[str, str]], **options: Any) -> Search:
        made: Search = make("random", executor=Scripted(ran=ran), store=tmp_path / "nas.db", **options)
        made.run()
        return made

    return search


# -- flags -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("inline", Inline), (None, Pool), ("pool", Pool), ("tune", Tune)])
def test_every_executor_takes_how_trials_make_use_of_their_device(name: str | None, kind: type) -> None:
    made = executor_options(
        executor=name, autocast="auto", compile="yes", graphs="no", deterministic=True, gpus_per_trial="0.5"
    )
    assert type(made) is kind
    assert made._acceleration == Acceleration("auto", True, False, True)


def test_what_is_not_said_is_as_the_executor_has_it() -> None:
    assert executor_options(compile="auto")._acceleration == Acceleration(compile="auto")
    assert executor_options(executor="inline") == "inline"
    assert executor_options(executor="inline", workers=1) == "inline"
    assert executor_options() is None
    assert acceleration_of() == {}


def test_gpus_are_a_number_or_auto() -> None:
    assert [gpus_of(text) for text in (None, "auto", "0.125", "2", "0")] == [None, "auto", 0.125, 2.0, 0.0]
    for text in ("", "half", "nan", "inf", "-1", "Auto"):
        with pytest.raises(SearchError, match=r"--gpus-per-trial: expected a number .*, or auto, got"):
            gpus_of(text)


def test_ray_tune_does_not_pack_gpus() -> None:
    with pytest.raises(SearchError, match="--gpus-per-trial auto: Ray Tune gives every trial the same share"):
        executor_of("tune", None, gpus="auto")


@pytest.mark.parametrize("name", ["compile", "graphs"])
def test_choices_have_one_plain_form(name: str) -> None:
    found = [acceleration_of(**{name: text})[name] for text in ("yes", "no", "auto")]
    assert [type(one) for one in found] == [bool, bool, str]
    for text in ("true", "1", "YES", ""):
        with pytest.raises(SearchError, match=f"--{name}: expected yes or no or auto, got '{text}'"):
            acceleration_of(**{name: text})


def test_a_job_gets_them_as_they_were_written() -> None:
    options = {"gpus_per_trial": "auto", "compile": "no", "graphs": "auto", "deterministic": True}
    made = cluster_job("search", None, options, name="mine")
    assert [word for word in made.command if word.startswith("--")] == [
        "--gpus-per-trial=auto",
        "--compile=no",
        "--graphs=auto",
        "--deterministic",
        "--name=mine",
    ]


def test_a_search_and_its_continuation_run_with_them(run: Run) -> None:
    how = ["--executor", "inline", "--graphs", "no", "--compile", "no", "--autocast", "recipe"]
    small = ["--space", "mlp", "--epochs", "1", "--limit", "num_params<=1e9"]
    out = run("search", *small, "--trials", 2, "--name", "mine", *how)
    assert "trains on cpu, float32" in out
    assert "trained on:       cpu, float32" in out
    out = run("resume", "mine", "--trials", 3, *how)
    assert "mine ended after" in out
    rows = json.loads(run("leaderboard", "--format", "json"))
    assert [(row["device"], row["precision"], row["compiled"]) for row in rows] == [
        ("cpu", "float32", "no")
    ] * 3


# -- what ran ----------------------------------------------------------------------------------------------


def test_a_leaderboard_shows_of_what_ran_what_differs(run: Run, searched: Any) -> None:
    searched(lambda job: H100, trials=3, name="alike")
    out = run("leaderboard", "alike")
    assert not any(word in out for word in ("device", "precision", "compiled", "graphs", "H100"))
    out = run("leaderboard", "alike", "--ran")
    for word in ("device", "precision", "compiled", "graphs", "deterministic", "NVIDIA H100", "bfloat16"):
        assert word in out
    assert "it prints" not in out  # that is for nas show
    searched(lambda job: H100 if job.number else {**H100, "device": "cpu"}, trials=3, name="mixed")
    head = run("leaderboard", "mixed", "--format", "markdown").splitlines()[0]
    assert "device" in head
    assert "precision" not in head
    assert "device" in run("leaderboard", "alike", "mixed")
    assert json.loads(run("leaderboard", "alike", "--format", "json"))[0]["graphs"] == "no: it prints"


def test_a_network_is_shown_with_what_ran(run: Run, searched: Any) -> None:
    board = searched(lambda job: H100, trials=1).leaderboard()
    told = "device NVIDIA H100, precision bfloat16, compiled no, graphs no: it prints, deterministic no"
    assert told in run("show", board["id"][0])


def test_an_export_says_on_what_it_was_trained(run: Run, tmp_path: Path) -> None:
    run("search", "--space", "mlp", "--epochs", 1, "--trials", 1, "--executor", "inline")
    (row,) = json.loads(run("leaderboard", "--format", "json"))
    run("export", row["id"], "--to", "best")
    assert "ran on cpu, float32" in run("show", "best")
    assert "| ran | device cpu, precision float32" in (tmp_path / "best" / "README.md").read_text()


# -- the state ---------------------------------------------------------------------------------------------


def test_the_state_tells_the_device_and_of_each_card_its_trials_and_use(run: Run, searched: Any) -> None:
    search = searched(lambda job: CPU if job.number == 1 else H100, trials=3, name="mine")
    assert "cards" not in run("status")
    with Store(search.store) as store, store.writing(1) as writing:
        for step in range(1, 5):
            cards = [
                Card(f"GPU-{i:02}", "NVIDIA H100", "node-a", i, 8, 0.2 * step, 2 * 10**10, 8 * 10**10)
                for i in range(9)
            ]
            writing.cards(5.0 * step, [*cards, Card("GPU-09", "NVIDIA A100", "node-b", 1, 1)])
    out = run("status")
    assert "device  NVIDIA H100, bfloat16 (2 trials); cpu, float32 (1 trial)" in out
    assert "cards   NVIDIA H100 on node-a: 0 trials, room for 8, 80 % busy, 20.00 GB of 80.00 GB" in out
    assert "        NVIDIA H100 on node-a: 1 trial, room for 8, 80 % busy" in out
    assert "and 2 more: nas status --workers" in out
    assert "▂▄▅▇" in out or "▂▃▅▇" in out
    table = run("status", "--workers")
    assert table.count("50.0 %") == 9  # the mean over time
    assert table.count("25.0 %") == 9
    assert "1 of 1" in table
