"""Searches in processes of their own: networks that fail, drivers that are killed, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import nas
from nas.store.store import Store
from search_spaces.errors import StoreError

pytestmark = pytest.mark.end_to_end

SCRIPTS = Path(__file__).parent / "scripts"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nas.cli", *map(str, arguments)]


def finish(folder: Path, *arguments: object, seconds: float = 120) -> str:
    """Runs the command to its end and returns what it printed."""
    ended = subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def begin(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # a shell lets what it runs in the background ignore Ctrl-C; these are to hear it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip


def wait_for(folder: Path, complete: int, process: subprocess.Popen[str]) -> None:
    """Until so many trials of the search in ``nas.db`` are complete."""
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            with Store(folder / "nas.db") as store:
                if store.count_trials(store.search().id, ("complete",)) >= complete:
                    return
        except StoreError:
            pass
        time.sleep(0.05)
    process.kill()
    out, err = process.communicate()
    pytest.fail(f"no {complete} trials came: {out}\n{err}")


@pytest.mark.soak
def test_a_search_of_ones_own_networks_of_which_a_third_fail_finishes_with_the_reasons(
    tmp_path: Path,
) -> None:
    out = finish(tmp_path, "search", SCRIPTS / "risky_search.py", "--workers", 2)
    assert "24 trials are done" in out
    with Store(tmp_path / "nas.db") as store:
        trials = store.trials(store.search("risky").id)
    trained = [trial for trial in trials if trial.status in ("complete", "failed")]
    assert len(trained) == 24
    reasons = {"exception": "exception", "nan": "not_finite", "memory": "out_of_memory", "slow": "timeout"}
    seen = set()
    for trial in trained:
        fault = next(value for path, value in trial.decisions.items() if path.endswith("fault"))
        assert trial.reason == reasons.get(fault), trial
        assert trial.status == ("failed" if fault in reasons else "complete")
        assert bool(trial.message) == (fault in reasons)
        assert trial.metrics["num_params"] <= 40
        seen.add(trial.reason)
    assert seen == {None, *reasons.values()}
    over = [trial for trial in trials if trial.status == "infeasible"]
    assert over
    assert all(trial.metrics["num_params"] > 40 and trial.told_step for trial in over)
    trace = next(trial.traceback for trial in trained if trial.reason == "exception")
    assert trace is not None
    assert "no such thing" in trace
    assert "search on:" in out
    assert f"nas extend {shlex.quote(str(SCRIPTS / 'risky_search.py'))} --name risky" in out


def stop(folder: Path, number: signal.Signals, *options: object) -> list[str]:
    """Begins a search, stops it by a signal, and returns the command with which it says to go on."""
    driver = begin(folder, "search", SCRIPTS / "small_search.py", "--name", "it's mine", *options)
    wait_for(folder, 2, driver)
    rows = json.loads(finish(folder, "leaderboard", "--format", "json"))
    assert sum(row["status"] == "complete" for row in rows) >= 2, "it is readable while the search runs"
    if number == signal.SIGINT:
        os.killpg(driver.pid, number)  # all processes hear of it, as when a terminal sends it
    else:
        driver.send_signal(number)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    with Store(folder / "nas.db") as store:
        record = store.search()
        assert (record.status, record.reason) == ("stopped", "interrupted")
        assert store.count_trials(record.id, ("running",)) == 0
    hint = re.search(r"^go on with: nas (.*)$", out, re.MULTILINE)
    assert hint is not None, out
    return shlex.split(hint[1])


def test_ctrl_c_ends_a_search_on_ray_which_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    hint = stop(tmp_path, signal.SIGINT, "--workers", 1)
    with Store(tmp_path / "nas.db") as store:
        before = store.count_trials(1)
    finish(tmp_path, *hint, "--trials", before + 3, "--executor", "inline")
    board = nas.leaderboard(tmp_path / "nas.db")
    assert (board["status"] == "complete").sum() == board["id"].nunique() == before + 3


@pytest.mark.soak
def test_a_search_on_ray_that_is_terminated_says_how_to_go_on(tmp_path: Path) -> None:
    hint = stop(tmp_path, signal.SIGTERM, "--workers", 1)
    assert hint == ["resume", str(SCRIPTS / "small_search.py"), "--name", "it's mine"]


def test_a_search_whose_terminal_is_closed_says_how_to_go_on(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it may be ignored where the tests run
    try:
        hint = stop(tmp_path, signal.SIGHUP, "--executor", "inline")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert hint == ["resume", str(SCRIPTS / "small_search.py"), "--name", "it's mine"]


def test_a_search_under_nohup_goes_on_when_its_terminal_is_closed(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        driver = begin(tmp_path, "search", SCRIPTS / "small_search.py", "--executor", "inline")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(tmp_path, 2, driver)
    driver.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert driver.poll() is None
    driver.terminate()
    driver.communicate(timeout=60)
    assert driver.returncode == 130


@pytest.mark.parametrize(
    "what",
    [
        "driver",
        pytest.param("agent", marks=pytest.mark.soak),
        pytest.param("hanging node", marks=pytest.mark.soak),
    ],
)
def test_a_search_that_is_ended_from_outside_says_how_to_go_on_all_the_same(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("initial_delay_ms", "period_ms", "timeout_ms"):
        monkeypatch.setenv(f"RAY_health_check_{name}", "1000")  # a node that hangs is soon known to
    options = ("--executor", "inline") if what == "driver" else ("--workers", 1)
    driver = begin(tmp_path, "search", SCRIPTS / "small_search.py", "--name", "mine", *options)
    wait_for(tmp_path, 2, driver)
    if what == "driver":
        driver.kill()
    else:
        below = psutil.Process(driver.pid).children(recursive=True)
        if what == "agent":  # without it a node of Ray's ends, and with it all that runs there
            next(one for one in below if "DashboardAgent" in one.name() + "".join(one.cmdline())).kill()
        else:
            raylet = next(one for one in below if one.name() == "raylet")
            raylet.suspend()
    try:
        out, err = driver.communicate(timeout=90)
    finally:
        if what == "hanging node":  # nobody is left who would end it
            raylet.kill()
    assert driver.returncode != 0
    assert "ended from outside" in err
    assert out.splitlines()[-1] == f"go on with: nas resume {SCRIPTS / 'small_search.py'} --name mine"
    finish(tmp_path, *shlex.split(out.splitlines()[-1])[4:], "--trials", 4, "--executor", "inline")
