"""Faults put into running searches: each ends with the trials that it was asked for.

A killed driver is part of every run of the tests; the others are soak tests.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_drivers import CAPACITY, PATIENCE, Driver, check, complete
from ray.cluster_utils import Cluster

from nas.store.store import Store

pytestmark = [pytest.mark.cluster, pytest.mark.end_to_end]

Make = Callable[..., Driver]


@pytest.mark.soak
def test_networks_that_fail_in_every_way_are_recorded_and_the_others_trained(driver: Make) -> None:
    search = driver(
        trials=24,
        kinds=["exception", "nan", "hang", "memory"],
        silence=12.0,
        memory=2_500_000_000,
        epochs=2,
        seed=3,
    )
    search.begin()
    trials = search.end()
    check(trials, 24)
    reasons = {"exception": "exception", "nan": "not_finite", "hang": "silent", "memory": "out_of_memory"}
    for trial in trials:
        kind = next(value for path, value in trial.decisions.items() if path.endswith("kind"))
        assert trial.reason == reasons.get(kind), trial
        assert bool(trial.message) == (kind in reasons)
        assert bool(trial.traceback) == (kind == "exception")
    assert {trial.reason for trial in trials} >= set(reasons.values()), "not every fault was drawn"


@pytest.mark.soak
def test_a_worker_that_is_killed_in_training_costs_no_result(driver: Make) -> None:
    search = driver(trials=16)
    search.begin()
    for count in (2, 6):
        search.wait_for(complete(count))
        random.Random(count).choice(search.workers()).kill()
    trials = search.end()
    check(trials, 16)
    assert {trial.status for trial in trials} == {"complete"}


@pytest.mark.soak
def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(driver: Make, tmp_path: Path) -> None:
    search = driver(trials=3, workers=1, epochs=30, checkpoints=str(tmp_path / "checkpoints"))
    search.begin()

    def far(trials: Any) -> bool:
        with Store(search.given["store"]) as store:
            return store.last_epochs(search.record().id).get(1, 0) >= 10

    search.wait_for(complete(1))
    search.wait_for(far)
    search.workers()[0].kill()
    trials = search.end()
    check(trials, 3)
    with Store(search.given["store"]) as store:
        for trial in trials:
            epochs = [report.epoch for report in store.reports(search.record().id, trial.number)]
            assert epochs == list(range(1, 31))
    left = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    assert not left, "checkpoints of trials that are over"


@pytest.mark.soak
def test_a_search_outlives_a_node_and_uses_one_that_joins(driver: Make, nodes: Cluster) -> None:
    search = driver(trials=36, seconds=0.15)  # what is slow leaves a node the time to come

    def used(count: int) -> Callable[[Any], bool]:
        def is_so(trials: Any) -> bool:
            with Store(search.given["store"]) as store:
                return len({usage.node for _, usage in store.usage(search.record().id)}) >= count

        return is_so

    search.begin()
    search.wait_for(complete(1))
    search.wait_for(used(3))
    nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
    nodes.add_node(num_cpus=1, object_store_memory=CAPACITY["object_store_memory"])
    search.wait_for(used(4))
    trials = search.end()
    check(trials, 36)
    assert {trial.status for trial in trials} == {"complete"}


@pytest.mark.soak
def test_a_search_waits_for_its_first_node_and_its_driver_counts_as_alive(
    driver: Make, nodes: Cluster
) -> None:
    search = driver(trials=4, resources={"late": 1}, wait=PATIENCE)
    search.begin()
    search.wait_for(lambda trials: len(trials) > 0)
    heard = search.record().heartbeat_at
    search.wait_for(lambda trials: search.record().heartbeat_at != heard)
    nodes.add_node(num_cpus=1, resources={"late": 1}, object_store_memory=CAPACITY["object_store_memory"])
    trials = search.end()
    check(trials, 4)
    assert {trial.status for trial in trials} == {"complete"}


def test_a_driver_that_is_killed_is_gone_on_with(driver: Make) -> None:
    search = driver(trials=12, controller="evolution")
    search.begin()
    search.wait_for(complete(4))
    search.kill()
    assert search.record().state == "killed"
    before = {trial.number: trial for trial in search.trials() if trial.status == "complete"}
    search.begin("resume")
    trials = search.end()
    check(trials, 12)
    after = {trial.number: trial for trial in trials}
    assert all(after[number] == trial for number, trial in before.items())


@pytest.mark.soak
def test_weights_that_are_more_than_the_object_store_holds_cost_no_result(driver: Make) -> None:
    # forty megabytes each, in a store of a hundred: Ray has to write some of them to disk
    search = driver(trials=12, ballast=10**7, epochs=1)
    search.begin()
    trials = search.end()
    check(trials, 12)
    assert {trial.status for trial in trials} == {"complete"}
    with Store(search.given["store"]) as store:
        kept = store.kept_weights(search.record().id)
        assert len(kept) == 5
        assert all(len(store.weights(search.record().id, number) or b"") > 4 * 10**7 for number in kept)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("this machine lets nobody make a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.soak
def test_a_full_disk_under_the_checkpoints_costs_no_trial(driver: Make, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(2**20 - 8192))
    search = driver(trials=8, checkpoints=str(small_disk))
    search.begin()
    trials = search.end()
    check(trials, 8)
    assert {trial.status for trial in trials} == {"complete"}


@pytest.mark.soak
def test_a_disk_that_is_full_under_the_store_for_a_while_costs_no_result(
    driver: Make, small_disk: Path
) -> None:
    search = driver(trials=12, store=str(small_disk / "nas.db"))
    search.begin()
    search.wait_for(complete(3))
    ballast = small_disk / "ballast"
    _fill(ballast)
    time.sleep(5)
    ballast.unlink()
    check(search.end(), 12)
    assert "trying again" in search.words()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return


@pytest.mark.soak
def test_a_read_only_disk_under_the_checkpoints_costs_no_trial(driver: Make, small_disk: Path) -> None:
    search = driver(trials=10, checkpoints=str(small_disk))
    search.begin()
    search.wait_for(complete(3))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    trials = search.end()
    check(trials, 10)
    assert {trial.status for trial in trials} == {"complete"}


@pytest.mark.soak
def test_a_store_whose_server_is_stopped_for_ten_seconds_costs_no_result(driver: Make, server: Any) -> None:
    search = driver(trials=14, store=server.url)
    search.begin()
    search.wait_for(complete(3))
    server.stop()
    time.sleep(10)
    server.start()
    trials = search.end()
    check(trials, 14)
    assert Counter(trial.status for trial in trials) == {"complete": 14}
    assert "trying again" in search.words()
