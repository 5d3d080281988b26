"""Searches as jobs: what is shipped and said, and the whole way on a head of our own."""

from __future__ import annotations

import contextlib
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

from nas.shipping import MAX_BYTES, files_of, pack
from nas.store import Store
from nas.submit import job
from search_spaces.errors import NasError, SearchError, StoreError

SCRIPTS = Path(__file__).parent / "scripts"


# -- what is shipped ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as people have them: code, and much else."""
    for name in (
        "my_search.py", "parts/layers.py", "parts/data.csv", ".env", ".git/config", "nas.db", "nas.db-wal",
        "envs/mine/pyvenv.cfg", "envs/mine/lib/torch.py", "__pycache__/my_search.cpython-311.pyc",
        "runs/1/log.txt", "notes.tmp", "kept.tmp", "raw/images.bin",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("# what git leaves out\nruns/\n*.tmp\n!kept.tmp\n")
    (tmp_path / ".rayignore").write_text("raw\n")
    return tmp_path


def test_code_is_shipped_and_neither_hidden_files_nor_databases_nor_what_is_ignored(folder: Path) -> None:
    assert sorted(files_of(folder)) == ["kept.tmp", "my_search.py", "parts/data.csv", "parts/layers.py"]


def test_a_folder_that_is_too_large_is_refused_with_the_name_of_the_largest_file(folder: Path) -> None:
    with (folder / "parts" / "train.npy").open("wb") as file:
        file.truncate(MAX_BYTES)
    with pytest.raises(SearchError, match=r"too large .*: parts/train.npy \(100.0 MB\)"):
        files_of(folder)


def test_the_same_files_are_packed_into_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder)
    pack(files, tmp_path / "one.zip")
    os.utime(folder / "my_search.py", (0, 0))
    pack(files, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


# -- what is said ------------------------------------------------------------------------------------------


def test_the_command_of_a_job_says_all_that_was_said(folder: Path) -> None:
    options = {"limit": ["num_params<=9", "loss<=1"], "workers": 64, "gpus_per_trial": 0.25, "problem": None}
    made = job("search", str(folder / "my_search.py"), options, name="Tom's", store="postgresql://me@db/nas")
    assert made.entrypoint == (
        "exec python -m nas.cli search my_search.py '--limit=num_params<=9' '--limit=loss<=1' --workers=64 "
        "--gpus-per-trial=0.25 '--name=Tom'\"'\"'s' --store=postgresql://me@db/nas"
    )
    assert re.fullmatch(r"Tom-s-[0-9a-f]{6}", made.id)
    assert made.again.endswith("my_search.py '--name=Tom'\"'\"'s' --store=postgresql://me@db/nas")


def test_results_of_a_job_without_a_store_outlive_its_folder(folder: Path) -> None:
    home = str(folder)
    command = job("search", None, {}).entrypoint.replace("exec python -m nas.cli search", "echo $NAS_STORE #")
    for environment, store in (({}, f"{home}/nas.db"), ({"NAS_STORE": "postgresql://db"}, "postgresql://db")):
        ended = subprocess.run(
            command, shell=True, env=environment | {"HOME": home}, capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == store


def test_a_file_within_a_larger_folder_keeps_its_place_there(folder: Path) -> None:
    made = job("search", str(folder / "parts" / "layers.py"), {}, working_dir=folder)
    assert made.command[:2] == ["search", "parts/layers.py"]
    assert "my_search.py" in made.files


def test_a_space_in_a_file_is_shipped(folder: Path) -> None:
    (folder / "space.json").write_text("{}")
    made = job("search", None, {"space": str(folder / "space.json")})
    assert list(made.files) == ["space.json"]
    assert "--space=space.json" in made.command


def test_requirements_beside_the_file_are_installed_unless_they_name_nothing(folder: Path) -> None:
    beside = folder / "requirements.txt"
    beside.write_text("# none yet\n\n")
    assert "pip" not in job("search", str(folder / "my_search.py"), {}).runtime_env(None)
    beside.write_text("timm==1.0\n")
    assert job("search", str(folder / "my_search.py"), {}).runtime_env(None)["pip"] == str(beside)
    other = folder / "kept.tmp"
    made = job("search", str(folder / "my_search.py"), {}, requirements=other)
    assert made.runtime_env(None)["pip"] == str(other)


@pytest.mark.parametrize(
    "line",
    ["--index-url https://me:geheim@pypi.example.org/simple", "git+https://geheim@github.com/me/it.git"],
)
def test_a_secret_among_the_requirements_is_not_sent(folder: Path, line: str) -> None:
    (folder / "requirements.txt").write_text(f"timm\n{line}\n")
    with pytest.raises(SearchError, match="line 2") as error:
        job("search", str(folder / "my_search.py"), {})
    assert "geheim" not in str(error.value)
    (folder / "requirements.txt").write_text(line.replace("me:geheim", "${A}:${B}").replace("geheim", "${C}"))
    job("search", str(folder / "my_search.py"), {})


@pytest.mark.parametrize("store", ["postgresql://me:geheim@db/nas", "postgresql://db/nas?password=geheim"])
def test_a_password_of_a_store_is_not_sent(store: str) -> None:
    with pytest.raises(SearchError, match="NAS_STORE") as error:
        job("search", None, {}, store=store)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("store", ["nas.db", "sqlite:///runs/nas.db", "sqlite://"])
def test_a_store_that_the_cluster_would_delete_is_refused(store: str) -> None:
    with pytest.raises(SearchError, match="deletes a job's folder"):
        job("search", None, {}, store=store)


@pytest.mark.parametrize(
    "store", ["/data/nas.db", "~/nas.db", "sqlite:////data/nas.db", "postgresql://db/nas"]
)
def test_a_store_that_stays_is_taken(store: str) -> None:
    assert f"--store={store}" in job("search", None, {}, store=store).command


def test_a_search_is_gone_on_with_by_its_name_alone() -> None:
    made = job("resume", "tiny", {"trials": 3}, store="~/nas.db")
    assert (made.search, made.command) == ("tiny", ["resume", "tiny", "--trials=3", "--store=~/nas.db"])
    assert made.again == "tiny '--store=~/nas.db'"


def test_a_file_that_would_not_be_shipped_is_refused(folder: Path) -> None:
    (folder / "ignored.py").write_text("")
    (folder / ".gitignore").write_text("ignored.py")
    wrong = {
        "outside of the folder": ("my_search.py", folder / "parts"),
        "would not be shipped": ("ignored.py", None),
        "expected a Python file": ("nowhere.py", None),
    }
    for why, (name, working_dir) in wrong.items():
        with pytest.raises(SearchError, match=why):
            job("search", str(folder / name), {}, working_dir=working_dir)


def test_what_is_no_store_is_said_at_once() -> None:
    with pytest.raises(StoreError, match="expected a URL"):
        job("search", None, {}, store="://")


# -- on a cluster ------------------------------------------------------------------------------------------


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
        """Run the command; gives what it printed: the errors where it is to fail."""
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
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            time.sleep(1)
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


def complete(store: Path, search: str) -> int:
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


@pytest.mark.cluster
def test_a_job_that_succeeds_is_kept_in_the_home_of_the_head_and_one_that_fails_says_why(head: Head) -> None:
    tiny = ["--space", "mlp", "--trials", 2, "--epochs", 1, "--executor", "inline"]
    assert "nas.db in its home folder" in head.nas("submit", *tiny, "--name", "tiny")
    head.nas("submit", "--problem", "digit", "--name", "wrong")
    head.wait(lambda: "SUCCEEDED after" in head.nas("status", "tiny"))
    assert "search tiny ended after" in head.nas("status", "tiny")
    with Store(head.folder / "home" / "nas.db") as opened:
        assert opened.search("tiny").reason == "2 trials are done"
    head.wait(lambda: "FAILED after" in head.nas("status", "wrong"))
    assert "no problem named 'digit'; did you mean 'digits'?" in head.nas("status", "wrong")


@pytest.mark.cluster
def test_a_search_from_within_the_cluster_joins_it(head: Head) -> None:
    address = f"127.0.0.1:{head.port}"
    tiny = ["--space", "mlp", "--trials", 2, "--epochs", 1, "--store", "here.db"]
    out = head.nas("search", *tiny, "--address", address, "--workers", 1, "--cpus-per-trial", 1)
    assert "2 trials are done" in out


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
