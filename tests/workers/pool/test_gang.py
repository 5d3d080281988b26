"""Trials of several processes: they come to what one comes to, and what happens to one happens to all."""

import dataclasses
import os
import queue
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joined_networks
import pytest
import ray
import torch
import torch.distributed as dist
from ray.util import placement_group_table
from safetensors.torch import load
from torch import Tensor, nn

from search_spaces import (
    Architecture,
    Classification,
    Sequence,
    Signature,
    Space,
    Tagging,
    layer,
    sequential,
)
from search_spaces.errors import ExecutorError
from workers.job import Event, Failed, Finished, HeldWeights, Job, Reported
from workers.pool.gang import common_end
from workers.pool.pool import Pool
from workers.problems.problem import Problem
from workers.remote import cluster
from workers.tabular import Table
from workers.testing.jobs import answers, drain, points, run
from workers.trial import trial

cluster_tests = pytest.mark.cluster


def architecture(*more: object, epochs: int = 2, batch_size: int = 23, **recipe: object) -> Architecture:
    """Of 72 examples to train on, 23 make 3 batches that two processes cannot halve, and a rest of 3."""
    model = sequential(layer(nn.Linear, out_features=8), layer(nn.Tanh), *more)
    recipe |= {"epochs": epochs, "batch_size": batch_size, "optimizer": "sgd", "learning_rate": 0.1}
    return Space({"model": model, "recipe": recipe}).architecture({})


@pytest.fixture(scope="module")
def problem() -> Problem:
    """120 sequences of a kind each, with tags of which more count in some examples than in others."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(120, 6, 5, generator=generator)
    tags = (inputs.sum(2) > 0).long()
    tags[torch.rand(120, 6, generator=generator) > torch.rand(120, 1, generator=generator)] = -100
    kinds = torch.arange(120) % 3
    inputs[:, 0] += nn.functional.one_hot(kinds, 5)
    signature = Signature({"steps": Sequence(6, 5)}, {"kind": Classification(3), "tags": Tagging(2)})
    return Problem.from_tensors(
        "tagged", ({"steps": inputs}, {"kind": kinds, "tags": tags}), signature=signature
    )


@pytest.fixture(scope="module")
def pool(ray_cluster: None, problem: Problem) -> Iterator[Pool]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with Pool(processes=2, grace=30) as made:
        made.open(problem)
        yield made


@pytest.fixture(scope="module")
def ragged_problem(problem: Problem) -> Problem:
    """The same in two domains, of which the second has fewer labels; the last examples have no tags."""
    count = len(problem.train)
    domain = (torch.arange(count) >= 40).long()
    drawn = torch.rand(2, count, generator=torch.Generator().manual_seed(1))
    labelled = {"kind": drawn[0] > 0.5 * domain, "tags": (drawn[1] > 0.5) & (torch.arange(count) < 64)}
    return dataclasses.replace(
        problem, train=dataclasses.replace(problem.train, labelled=labelled, domain=domain)
    )


@contextmanager
def opened(pool: Pool, problem: Problem, afterwards: Problem) -> Iterator[None]:
    """The pool with another problem: the cluster has no room for a second pool."""
    pool.close()
    pool.open(problem)
    try:
        yield
    finally:
        pool.close()
        pool.open(afterwards)


def is_second() -> bool:
    return dist.is_initialized() and dist.get_rank() == 1


class Moody(nn.Module):
    """Has a weight that nothing uses, and one that is used in every other step only."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(3))
        self.at_times = nn.Parameter(torch.ones(()))
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training and not x.is_meta
        return x * self.at_times if self.steps % 2 else x


class Faulty(nn.Module):
    """Passes its input on, but in the second process something goes wrong in a certain training step."""

    def __init__(self, fault: str, step: int = 2, marker: str = "") -> None:
        super().__init__()
        self.fault, self.step, self.marker = fault, step, marker
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or not self.training or not is_second():
            return x
        self.steps += 1
        if self.steps < self.step:
            return x
        match self.fault:
            case "exception":
                raise KeyError("something the author forgot")
            case "nan":
                return x * torch.nan
            case "memory":
                raise MemoryError
            case "slow":
                time.sleep(1)
            case "backward":
                x.register_hook(self._fail)
            case "killed once" if not Path(self.marker).exists():
                Path(self.marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return x

    @staticmethod
    def _fail(gradient: Tensor) -> Tensor:
        raise KeyError("something the author forgot")


class Says(nn.Module):
    """Leaves a file named after its process."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            (Path(self.folder) / str(os.getpid())).touch()
        return x


def assert_alike(some: list[Event], others: list[Event]) -> None:
    """Same reports and same weights, up to floating point: so each step had the same gradients."""
    assert [type(event) for event in some] == [type(event) for event in others]
    for one, other in zip(some, others, strict=True):
        if isinstance(one, Reported) and isinstance(other, Reported):
            assert one.report.metrics == pytest.approx(other.report.metrics, rel=1e-4)
            assert one.report.train_loss == pytest.approx(other.report.train_loss, rel=1e-4)
        elif isinstance(one, Finished) and isinstance(other, Finished):
            assert one.test_metrics == pytest.approx(other.test_metrics, rel=1e-4)
            weights, same = load(one.weights.read()), load(other.weights.read())
            assert weights.keys() == same.keys()
            for name, tensor in weights.items():
                torch.testing.assert_close(tensor, same[name], rtol=1e-4, atol=1e-6)


@cluster_tests
@pytest.mark.parametrize("batch_size", [23, 16, 72])
def test_two_processes_come_to_what_one_comes_to(pool: Pool, problem: Problem, batch_size: int) -> None:
    job = Job(0, architecture(layer(Moody), batch_size=batch_size), 3, epochs=3)
    together, alone = run(pool, job), list(trial.run(job, problem))
    assert_alike(together, alone)
    assert len(together) == 4
    counted = [
        {name: cost for name, cost in events[-1].costs.items() if name != "peak_memory_bytes"}  # type: ignore[union-attr]
        for events in (together, alone)
    ]
    assert counted[0] == counted[1]


@cluster_tests
def test_two_processes_come_to_the_same_again_with_dropout_and_batch_normalisation(pool: Pool) -> None:

    norm = layer(nn.BatchNorm1d, num_features=6)
    network = architecture(norm, layer(nn.Dropout, p=0.4), ema_decay=0.9)
    first, second = (run(pool, Job(0, network, 3, epochs=3)) for _ in range(2))
    assert isinstance(first[-1], Finished)
    assert answers(first) == answers(second)


@cluster_tests
@pytest.mark.parametrize(
    ("fault", "reason", "in_step"),
    [
        ("exception", "exception", True),
        ("nan", "not_finite", True),
        ("memory", "out_of_memory", True),
        ("slow", "timeout", True),
        ("backward", "exception", False),
    ],
)
def test_what_fails_in_one_process_ends_the_trial_in_all(
    pool: Pool, fault: str, reason: str, in_step: bool
) -> None:
    seconds = 3.0 if fault == "slow" else None
    lost = pool.lost_workers
    job = Job(0, architecture(layer(Faulty, fault=fault), epochs=20), 0, seconds=seconds)
    events = run(pool, job, Job(1, architecture(), 0))
    ends = {event.number: event for event in events if not isinstance(event, Reported)}
    failed = ends[0]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.infrastructure, failed.attempts) == (reason, False, 1)
    assert failed.fit == in_step
    if reason == "exception":
        assert "something the author forgot" in failed.message
    assert isinstance(ends[1], Finished)
    assert pool.lost_workers == lost


@cluster_tests
def test_a_trial_that_loses_a_process_goes_on_from_its_checkpoint(
    pool: Pool, problem: Problem, tmp_path: Path
) -> None:
    # killed in the third of four epochs, of three steps and a rest each
    killed = layer(Faulty, fault="killed once", step=10, marker=str(tmp_path / "killed"))
    job = Job(0, architecture(killed, epochs=4), 3, folder=str(tmp_path / "trial"), save_seconds=0.0)
    lost = pool.lost_workers
    events = run(pool, job)
    assert pool.lost_workers == lost + 1
    end = events[-1]
    assert isinstance(end, Finished), end
    assert end.attempts == 2
    assert "goes on after epoch" in end.log
    assert_alike(events, list(trial.run(Job(0, job.architecture, 3), problem)))


@cluster_tests
def test_a_trial_can_be_stopped_and_leaves_the_processes_in_place(pool: Pool) -> None:
    pool.start(Job(0, architecture(epochs=100_000), 0))
    while not pool.events(timeout=60):
        pass
    pool.stop(0)
    *_, failed = drain(pool)
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.fit) == ("stopped", True)
    assert isinstance(run(pool, Job(1, architecture(), 0))[-1], Finished)


@cluster_tests
@pytest.mark.parametrize("together_first", [True, False])
def test_a_trial_paused_by_two_processes_goes_on_in_one_and_the_other_way_round(
    pool: Pool, problem: Problem, together_first: bool
) -> None:
    whole = Job(0, architecture(epochs=4, ema_decay=0.9), seed=2)

    def train(job: Job, together: bool) -> list[Event]:
        return run(pool, job) if together else list(trial.run(job, problem))

    first = train(Job(0, whole.architecture, seed=2, until=2), together_first)
    paused = first[-1]
    assert isinstance(paused, Finished)
    assert paused.checkpoint is not None
    rest = train(Job(0, whole.architecture, seed=2, checkpoint=paused.checkpoint), not together_first)
    assert_alike([*first[:-1], *rest], list(trial.run(whole, problem)))


@cluster_tests
@pytest.mark.soak
def test_two_processes_balance_unevenly_spread_labels_as_one_does(
    pool: Pool, problem: Problem, ragged_problem: Problem
) -> None:
    recipes: list[dict[str, object]] = [
        {"balancing": "uncertainty"},
        {"balancing": "dwa"},
        {"balancing": "random"},
        {"balancing": "pcgrad", "ema_decay": 0.9},
        {"balancing": "upgrad", "batch_size": 16},
        {"sampling": "uncertainty", "batch_size": 8},
    ]
    jobs = [Job(i, architecture(layer(Moody), epochs=4, **recipe), 3) for i, recipe in enumerate(recipes)]
    with opened(pool, ragged_problem, problem):
        together = run(pool, *jobs)
    for job in jobs:
        own = [event for event in together if event.number == job.number]
        assert isinstance(own[-1], Finished), own[-1]
        assert_alike(own, list(trial.run(job, ragged_problem)))


@cluster_tests
@pytest.mark.soak
def test_two_processes_balance_what_some_tasks_share_as_one_does(pool: Pool, problem: Problem) -> None:
    data = joined_networks.problem().only(tasks=["kind", "size", "tags"]).drop(labels=0.5)
    jobs = [
        Job(i, joined_networks.architecture(data.signature, sharing, balancing="mgda", batch_size=9), 3)
        for i, sharing in enumerate(("tree", "independent"))
    ]
    with opened(pool, data, problem):
        together = run(pool, *jobs)
    for job in jobs:
        own = [event for event in together if event.number == job.number]
        assert isinstance(own[-1], Finished), own[-1]
        assert_alike(own, list(trial.run(job, data)))


@pytest.mark.soak
@cluster_tests
def test_two_processes_align_modalities_and_come_to_the_same_again(pool: Pool, problem: Problem) -> None:
    data = joined_networks.problem().drop(labels=0.3, modalities=0.2)
    # of four examples for each process often less than two have both modalities, in one of the two
    recipe = {"alignment": "adversarial", "modality_dropout": 0.4, "batch_size": 8}
    jobs = [
        Job(i, joined_networks.architecture(data.signature, sharing, balancing=balancing, **recipe), 3)
        for i, (sharing, balancing) in enumerate([("hard", "equal"), ("hard", "mgda"), ("private", "pcgrad")])
    ]
    with opened(pool, data, problem):
        first, second = run(pool, *jobs), run(pool, *jobs)
    ends = [event for event in first if not isinstance(event, Reported)]
    assert [type(event) for event in ends] == [Finished] * 3, ends
    assert answers(first) == answers(second)


# The last one of the pool: the cluster has room for one member.
@cluster_tests
def test_closing_a_pool_ends_all_processes_of_a_member_and_gives_their_place_back(
    pool: Pool, tmp_path: Path
) -> None:
    *_, end = run(pool, Job(0, architecture(layer(Says, folder=str(tmp_path))), 0))
    assert isinstance(end, Finished)
    processes = [int(path.name) for path in tmp_path.iterdir()]
    assert len(processes) == 2
    pool.close()
    deadline = time.monotonic() + 30
    while any(map(lives, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(lives, processes))
    assert {place["state"] for place in placement_group_table().values()} == {"REMOVED"}


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@cluster_tests
def test_there_is_room_for_as_many_members_as_have_all_their_processes(ray_cluster: None) -> None:
    one = cluster.Resources()
    assert [cluster.room(one, processes) for processes in (1, 2, 3)] == [2, 1, 0]
    with pytest.raises(ExecutorError, match="3 processes of 1 CPU each: the cluster has 2 CPUs"):
        cluster.require_room(one, processes=3)


def test_what_several_processes_cannot_do_is_refused() -> None:
    with pytest.raises(ExecutorError, match="a table is played by one process"):
        Pool(processes=2).open(Table("none", Space({}), points().signature, lambda _: None))
    with pytest.raises(ExecutorError, match="processes: expected a whole number above 0, got 0"):
        Pool(processes=0)
    with pytest.raises(ExecutorError, match=r"a GPU each, got gpus=0\.5"):
        Pool(processes=2, gpus=0.5)


FINISHED = Finished(0, {"loss": 1.0}, {}, 1.0, HeldWeights(b""))
STOPPED = Failed(0, "stopped", "another one ended it", "", False, 1.0)
BROKEN = Failed(0, "exception", "KeyError: 'x'", "", False, 1.0)
UNREACHED = Failed(0, "exception", "RuntimeError: [gloo/transport/pair.cc] closed", "", False, 1.0, fit=False)


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ([(1, FINISHED), (0, FINISHED)], None),
        ([(0, STOPPED), (1, STOPPED)], "stopped"),
        ([(0, STOPPED), (1, BROKEN)], "exception"),
        ([(0, UNREACHED), (1, RuntimeError("the actor died"))], "worker_lost"),
        ([(0, UNREACHED), (1, UNREACHED)], "worker_lost"),
        ([(0, UNREACHED), (1, BROKEN)], "exception"),
    ],
)
def test_the_end_of_a_trial_is_what_the_first_cause_says(
    ends: list[tuple[int, Finished | Failed | Exception]], reason: str | None
) -> None:
    came: queue.SimpleQueue[tuple[int, Finished | Failed | Exception]] = queue.SimpleQueue()
    for end in ends:
        came.put(end)
    event = common_end(came, size=2)
    assert (event.reason if isinstance(event, Failed) else None) == reason
    assert event.fit == all(isinstance(end, Finished | Failed) and end.fit for _, end in ends)
