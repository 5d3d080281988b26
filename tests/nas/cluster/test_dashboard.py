"""Searches as jobs of a Ray cluster, the whole way: on a head of our own, which wants a token."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nas.store.store import Store
from search_spaces.errors import NasError


@dataclass(frozen=True)
class Head:
    """A head of a Ray cluster that wants a token.

    Attributes:
        folder: for its files; ``home`` in it is its user's.
        port: of the cluster, for processes within it.
        environment: with which ``nas`` reaches its dashboard.
    """

    folder: Path
    port: int
    environment: dict[str, str]

    def nas(self, *arguments: object, code: int = 0) -> str:
        """Runs the command and returns what it printed: the errors where it is to fail."""
        ended = subprocess.run(
            [sys.executable, "-m", "nas.cli", *map(str, arguments)],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert self.environment.get("RAY_AUTH_TOKEN", "?") not in ended.stdout + ended.stderr
        return ended.stderr if code else ended.stdout

    def wait(self, good: Callable[[], bool], seconds: float = 120) -> None:
        """Until something is so."""
        end = time.monotonic() + seconds
        while not good():
            if time.monotonic() > end:
                pytest.fail(f"it did not come to be so: {self.nas('status')}\n{self.nas('logs')}")
            time.sleep(1)  # what is waited for runs at a low priority: leave it room


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    pytest.importorskip("aiohttp", reason="the extra 'cluster' is not installed")
    folder = Path(tempfile.mkdtemp(prefix="nas-"))  # Ray's sockets cannot have long paths
    (folder / "home").mkdir()
    port, dashboard, listen, agent, client = free_ports(5)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "NAS_"))}
    own |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # without it Ray listens outside of the loopback interface
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1",
        "--node-ip-address=127.0.0.1", f"--port={port}", "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={listen}",
        f"--dashboard-agent-grpc-port={agent}", f"--ray-client-server-port={client}",
        "--object-store-memory=100000000", f"--temp-dir={folder / 'ray'}",
    ]  # fmt: skip
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while "block forever" not in (folder / "head.log").read_text():
            assert process.poll() is None, (folder / "head.log").read_text()
            assert time.monotonic() < end, (folder / "head.log").read_text()
            time.sleep(0.2)
        yield Head(folder, port, own | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"})
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


SEARCH = """
import torch
from torch import nn

import nas
from layers import Wide
from search_spaces import Space, choice, integer, layer, sequential
from workers.problems import Problem

print("the package is", nas.__file__, flush=True)
inputs = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
problem = Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)
model = sequential(layer(Wide, out_features=integer(1, 9999)), choice(relu=layer(nn.ReLU), none=None))
search = nas.Search({"model": model, "recipe": {"epochs": 3}}, problem, "random", trials=5000)
"""

LAYERS = """
from torch import nn

class Wide(nn.Linear):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
"""


def complete(store: Path | str, search: str) -> int:
    """How many of its trials are over; 0 before it has begun."""
    try:
        with Store(store) as opened:
            return opened.count_trials(opened.search(search).id, ("complete",))
    except NasError:
        return 0


@pytest.mark.cluster
def test_a_search_of_ones_own_modules_is_submitted_watched_stopped_and_gone_on_with(head: Head) -> None:
    work = head.folder / "work"
    work.mkdir()
    (work / "my_search.py").write_text(SEARCH)
    (work / "layers.py").write_text(LAYERS)
    store = head.folder / "team.db"
    kept = ["--store", store, "--name", "it's mine", "--workers", 1, "--with-package"]
    out = head.nas("submit", "work/my_search.py", *kept)
    assert "(2 files, 0.0 MB)" in out
    head.wait(lambda: complete(store, "it's mine") > 1)
    told = head.nas("status", "it's mine", "--store", store)
    for words in (
        "RUNNING for",
        "it's mine: running",
        "best    accuracy",
        "trials a minute",
        "alive, last heard of",
    ):
        assert words in told
    assert "has ended: STOPPED" in head.nas("stop", "it's mine")
    with Store(store) as opened:
        record = opened.search("it's mine")
        assert (record.status, record.reason, record.driver) == ("stopped", "interrupted", None)
        before = opened.trials(record.id, statuses=("complete",))
    log = head.nas("logs")
    assert f"the package is {head.folder / 'ray'}" in log
    assert "stopped; what was trained is kept" in log
    assert "has ended already: STOPPED" in head.nas("stop", code=2)

    wanted = len(before) + 2
    address = head.environment["RAY_API_SERVER_ADDRESS"]
    more = ["--address", address, "--trials", wanted, "--executor", "inline"]
    head.nas("resume", "work/my_search.py", *more, *kept)
    out = head.nas("logs", "it's mine", "--follow")
    assert f"{wanted} trials are done" in out
    head.wait(lambda: "SUCCEEDED after" in head.nas("status"))
    with Store(store) as opened:
        after = opened.trials(record.id, statuses=("complete",))
    assert len(after) == wanted
    assert [trial for trial in after if trial.number in {one.number for one in before}] == before


@pytest.mark.soak
@pytest.mark.cluster
def test_a_job_that_succeeds_is_kept_in_the_home_of_the_head_and_one_that_fails_says_why(head: Head) -> None:
    tiny = ["--space", "mlp", "--trials", 2, "--epochs", 1, "--executor", "inline"]
    assert "nas.db in its home folder" in head.nas("submit", *tiny, "--name", "tiny")
    head.nas("submit", "--executor", "cloud", "--name", "wrong")
    head.wait(lambda: "SUCCEEDED after" in head.nas("status", "tiny"))
    assert "tiny ended after" in head.nas("status", "tiny")
    with Store(head.folder / "home" / "nas.db") as opened:
        assert opened.search("tiny").reason == "2 trials are done"
    head.wait(lambda: "FAILED after" in head.nas("status", "wrong"))
    assert "no executor named 'cloud'" in head.nas("status", "wrong")


@pytest.mark.soak
@pytest.mark.cluster
def test_a_search_in_postgresql_is_read_from_outside_stopped_and_gone_on_with(
    head: Head, postgres: str
) -> None:
    store = postgres.replace("postgres:@", "postgres@")  # an empty password is one, too
    team = ["--store", store, "--name", "team"]
    head.nas("submit", "--space", "mlp", "--trials", 500, "--epochs", 1, "--executor", "inline", *team)
    head.wait(lambda: complete(store, "team") > 1)
    board = json.loads(head.nas("leaderboard", "team", "--store", store, "--format", "json"))
    assert {row["status"] for row in board} >= {"complete"}
    assert all(0 <= row["accuracy"] <= 1 for row in board if row["status"] == "complete")
    assert "has ended: STOPPED" in head.nas("stop", "team")
    before = complete(store, "team")
    assert len(board) <= before + 1 < 500
    address = ["--address", head.environment["RAY_API_SERVER_ADDRESS"]]
    head.nas("resume", "team", *address, "--trials", before + 2, "--executor", "inline", "--store", store)
    head.wait(lambda: "finished" in head.nas("status", "team", "--store", store))
    assert complete(store, "team") == before + 2


@pytest.mark.soak
@pytest.mark.cluster
def test_a_search_from_within_the_cluster_joins_it(head: Head) -> None:
    address = f"127.0.0.1:{head.port}"
    error = head.nas("search", "--space", "mlp", "--address", address, "--gpus-per-trial", 0.5, code=2)
    assert "no room for a worker of 1 CPU, 0.5 GPU: the cluster has 1 CPUs and 0 GPUs on 1 node" in error


@pytest.mark.cluster
def test_without_its_token_a_cluster_turns_us_away_in_one_line(head: Head) -> None:
    bare = {name: value for name, value in head.environment.items() if not name.startswith("RAY_AUTH")}
    error = replace(head, environment=bare).nas("status", code=2)
    assert re.fullmatch(r"error: the cluster at \S+ wants a token: set RAY_AUTH_MODE=token.*\n", error)
    other = head.environment | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    error = replace(head, environment=other).nas("logs", code=2)
    assert re.fullmatch(r"error: the cluster at \S+ does not accept the token: .*\n", error)
    error = head.nas("stop", "other", code=2)
    assert re.fullmatch(r"error: no job named 'other' .*\n", error)
