"""The pool alone: what happens to its processes, and what it does about it."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from search_spaces.errors import ExecutorError
from workers.job import Failed, Finished, Job, Reported
from workers.pool.pool import Pool
from workers.problems.problem import Problem
from workers.testing.jobs import answers, architecture, drain, faulty, points, run

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def problem() -> Problem:
    return points()


def test_a_local_ray_answers_this_machine_only(ray_cluster: None) -> None:
    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]


# Before the pool of the others is there: the cluster has two CPUs.
def test_closing_a_pool_ends_its_processes_and_drops_its_jobs(
    ray_cluster: None, problem: Problem, tmp_path: Path
) -> None:
    made = Pool(workers=1)
    made.open(problem)
    marker = tmp_path / "pid"
    *_, finished = run(made, Job(0, faulty("own process", marker), 0))
    made.start(Job(1, faulty("hang"), 0))
    made.close()
    made.close()
    process = int(marker.read_text())
    assert gone(process), "the worker outlived its pool"
    assert isinstance(finished, Finished)


def gone(process: int) -> bool:
    """Whether a process has ended, or does within some seconds."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def pool(ray_cluster: None, problem: Problem) -> Iterator[Pool]:
    with Pool(workers=2, grace=1.5) as made:
        made.open(problem)
        yield made


def test_a_trial_whose_worker_is_killed_is_trained_elsewhere_with_the_same_result(
    pool: Pool, tmp_path: Path
) -> None:
    job = Job(0, faulty("killed once", tmp_path / "killed"), 5)
    beside = [Job(number, architecture(epochs=3), number) for number in range(1, 5)]
    lost = pool.lost_workers
    events = run(pool, job, *beside)
    assert pool.lost_workers == lost + 1
    again = answers(run(pool, job, *beside))  # this time it is spared
    assert answers(events) == again
    attempts = {event.number: event.attempts for event in events if isinstance(event, Finished)}
    assert attempts == {0: 2, 1: 1, 2: 1, 3: 1, 4: 1}


def test_a_trial_that_always_loses_its_worker_fails_with_worker_lost(pool: Pool) -> None:
    events = run(pool, Job(0, faulty("killed"), 0), Job(1, architecture(), 0))
    finals = {event.number: event for event in events if not isinstance(event, Reported)}
    failed = finals[0]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.infrastructure, failed.attempts) == ("worker_lost", True, 3)
    assert isinstance(finals[1], Finished)


def test_a_hanging_trial_loses_its_process_and_the_pool_goes_on(pool: Pool) -> None:
    started = time.monotonic()
    events = run(
        pool, Job(0, faulty("hang"), 0, seconds=0.5), Job(1, architecture(), 0), Job(2, architecture(), 0)
    )
    finals = {event.number: event for event in events if not isinstance(event, Reported)}
    failed = finals[0]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.infrastructure) == ("timeout", False)
    assert isinstance(finals[1], Finished)
    assert isinstance(finals[2], Finished)
    assert time.monotonic() - started < 60


def test_a_hanging_trial_can_be_stopped(pool: Pool) -> None:
    pool.start(Job(0, faulty("hang"), 0))
    assert pool.events(timeout=1) == []
    pool.stop(0)
    (failed,) = drain(pool)
    assert isinstance(failed, Failed)
    assert failed.reason == "stopped"


def test_a_job_queued_behind_a_long_one_goes_to_the_worker_that_is_idle(pool: Pool) -> None:
    long = Job(0, architecture(epochs=100_000), 0)
    short = [Job(number, architecture(epochs=1), 0) for number in range(1, 6)]
    for job in (long, *short):
        pool.start(job)
    finished: set[int] = set()
    deadline = time.monotonic() + 60
    while len(finished) < 5 and time.monotonic() < deadline:
        finished |= {event.number for event in pool.events(timeout=5) if isinstance(event, Finished)}
        assert len(pool.begun()) <= 2  # one at each worker, the others queued
    assert finished == {1, 2, 3, 4, 5}
    assert pool.begun() == {0}
    pool.stop(0)
    drain(pool)


def test_a_pool_larger_than_the_cluster_says_what_there_is(ray_cluster: None, problem: Problem) -> None:
    with pytest.raises(ExecutorError, match="the cluster has 2 CPUs and 0 GPUs"):
        Pool(gpus=1).open(problem)


SCRIPT = """
import os, subprocess, time
import ray, torch
from torch import nn
from search_spaces import Space, layer
from workers import Job, Pool, Problem

class Mine(nn.Module):
    def forward(self, x):
        return x.tanh()

if __name__ == "__main__":
    problem = Problem.from_tensors("mine", (torch.randn(60, 4), torch.arange(60) % 3))
    architecture = Space({"model": layer(Mine)}).architecture({})
    with Pool(workers=1) as pool:
        pool.open(problem)
        assert "RAY_worker_niceness" not in os.environ
        pool.start(Job(0, architecture, seed=0, epochs=2))
        while events := pool.events():
            print(*(type(event).__name__ for event in events))
        there = ray.remote(num_cpus=0)(lambda: os.nice(0))
        print("niceness:", os.nice(0), ray.get(there.remote()))
    for _ in range(100):
        found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True)
        children = found.stdout.split()
        if not children:
            break
        time.sleep(0.1)
    print("left over:", children)
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of a script that trains on a Ray of its own, at the defaults of Ray and ours."""
    folder = tmp_path_factory.mktemp("script")
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    set_by_tests = ("RAY_ADDRESS", "RAY_worker_niceness")
    environment = {key: value for key, value in os.environ.items() if key not in set_by_tests}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_modules_and_data_of_a_script_train_on_a_ray_of_its_own_that_ends_with_the_pool(
    printed: list[str],
) -> None:
    assert " ".join(printed[:-2]).split() == ["Reported", "Reported", "Finished"]
    assert printed[-1] == "left over: []"


def test_workers_of_a_ray_of_our_own_run_at_the_priority_of_the_driver(printed: list[str]) -> None:
    _, driver, worker = printed[-2].split()
    assert worker == driver
