"""What a pool is asked for of GPUs, and what cannot be had."""

import pickle
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from search_spaces import layer
from search_spaces.errors import ExecutorError
from workers.job import Failed, Finished, HeldWeights, Job
from workers.pool.cards import Spot
from workers.pool.member import Member, PoolCard
from workers.pool.packed import Estimates, PackedMembers
from workers.pool.packing import Packing, estimate
from workers.pool.pool import Pool
from workers.pool.seclusion import Seclusion
from workers.pool.worker import Setup, Worker
from workers.remote import cluster
from workers.remote.messages import Order
from workers.remote.runners import pack
from workers.remote.runs import RemoteRun, ran_out_of_card
from workers.testing.jobs import Picky, architecture, points
from workers.tune.tune import Tune

GIB = 2**30


@pytest.mark.parametrize("gpus", [-1, True, 1.5, "half", float("nan"), None])
def test_what_is_no_share_of_a_gpu_is_refused_before_anything_starts(gpus: Any) -> None:
    for executor in (Pool, Tune):
        with pytest.raises(ExecutorError, match=r"gpus.*expected a"):
            executor(gpus=gpus)


@pytest.mark.parametrize("gpus", [0.3, "auto"])
def test_processes_that_train_together_need_a_card_each(gpus: Any) -> None:
    with pytest.raises(ExecutorError, match=f"several processes need a GPU each, got gpus={gpus!r}"):
        Pool(processes=2, gpus=gpus)


def test_ray_tune_packs_no_cards() -> None:
    with pytest.raises(ExecutorError, match="gives every trial the same share; expected a number, such as"):
        Tune(gpus="auto")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"device": "tpu"}, "expected one of 'cuda', 'cpu'"), ({"device": "cuda"}, "expected gpus above 0")],
)
def test_a_device_that_cannot_be_trained_on_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        Pool(**options)


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        (0.125, r"no room for a worker of 1 CPU, 0\.125 GPU: the cluster has 2 CPUs and 0 GPUs"),
        (4, "no room for a worker of 1 CPU, 4 GPU: the cluster has 2 CPUs and 0 GPUs"),
        ("auto", "no GPU with room for a worker of 1 CPU beside it: the cluster has 2 CPUs and 0 GPUs"),
    ],
)
def test_a_card_that_is_not_there_is_missed_at_once(ray_cluster: None, gpus: Any, words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        Pool(gpus=gpus).open(points())


def node(**resources: float) -> dict[str, Any]:
    return {"NodeID": f"node {resources['CPU']:g}", "Alive": True, "Resources": resources}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (cluster.Resources(), {"node 16": (2, 8, 8), "node 3": (3, 1, 1)}),
        (cluster.Resources(cpus=3), {"node 16": (2, 8, 2), "node 3": (1, 3, 1)}),
        (cluster.Resources(cpus=9), {"node 16": (1, 16, 1)}),
        (cluster.Resources(memory=GIB), {"node 16": (2, 8, 4)}),
    ],
)
def test_each_card_comes_with_its_part_of_the_node(
    monkeypatch: pytest.MonkeyPatch, resources: cluster.Resources, expected: dict[str, tuple[int, int, int]]
) -> None:
    there = [node(CPU=16, GPU=2, memory=9 * GIB), node(CPU=3, GPU=4), node(CPU=64)]
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [*there, {**node(CPU=8, GPU=1), "Alive": False}])
    here = SimpleNamespace(get_node_id=lambda: "node 16")
    monkeypatch.setattr(cluster.ray, "get_runtime_context", lambda: here)
    found = cluster.cards_by_node(resources)
    assert {name: (one.count, one.bundle["CPU"], one.workers) for name, one in found.items()} == expected
    assert all(one.bundle["GPU"] == 1 for one in found.values())


def test_the_largest_node_is_named_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [node(CPU=16, GPU=2), node(CPU=3, GPU=4)])
    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"CPU": 19, "GPU": 6})
    assert cluster.there_is() == "19 CPUs and 6 GPUs on 2 nodes (16 CPUs and 4 GPUs at most on one)"


def test_the_estimate_of_a_job_follows_from_its_network_recipe_and_data() -> None:
    problem, job = points(), Job(0, architecture(), 0)
    cost = job.architecture.cost(problem.signature)
    data = 120 * (5 * 4 + 8)
    assert Estimates(pack(problem)).of(job) == estimate(
        num_params=cost.num_params,
        activation_bytes=cost.activation_bytes,
        batch_size=16,
        optimizer="adamw",
        data=data,
    )
    assert Estimates(pack(problem)).of(Job(0, architecture(layer(Picky)), 0)) == 0


def packed_members() -> tuple[PackedMembers, Member]:
    """A pool's workers, of which there is one, on a card of its own."""
    made = PackedMembers(
        None,
        None,
        cluster.Resources(gpus=0.0625),
        Setup(1, "cpu"),
        lambda member, ready: None,
        estimates=Estimates(pack(points())),
        window=5.0,
    )
    card = PoolCard(Spot("node", "card"), packing=Packing(16, 16 * GIB))
    member = Member(None, "worker 0", card=card)
    card.members.append(member)
    card.actors[member] = None
    made.cards.append(card)
    return made, member


def test_a_run_gets_its_part_of_the_card_and_alone_all_of_it() -> None:
    members, member = packed_members()
    assert member.card is not None
    assert member.card.packing is not None
    member.card.packing.room = 4
    run = RemoteRun(Job(0, architecture(), 0))
    assert members.share_for(run, member) == 0.25
    assert run.estimated > 0
    run.alone = True
    assert members.share_for(run, member) == 1.0


def test_measured_peaks_and_runs_out_of_memory_reach_the_plan() -> None:
    members, member = packed_members()
    assert member.card is not None
    plan = member.card.packing
    assert plan is not None
    plan.room = 8
    run = RemoteRun(Job(0, architecture(), 0))
    members.share_for(run, member)
    costs = {"peak_memory_bytes": 6.0 * GIB}
    members.take_end(run, member, Finished(0, {}, {}, 1.0, HeldWeights(b""), costs))
    assert plan.room == 2
    members.take_end(run, member, Failed(0, "out_of_memory", "MemoryError: no message", "", False, 1.0))
    assert plan.room == 2
    members.take_end(run, member, Failed(0, "out_of_memory", "CUDA out of memory.", "", False, 1.0))
    assert plan.room == 1


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("out_of_memory", "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("out_of_memory", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", True),
        ("out_of_memory", "the process held 3 GiB, the limit is 2 GiB", False),
        ("exception", "KeyError: 'CUDA out of memory'", False),
    ],
)
def test_memory_of_a_card_is_told_from_that_of_the_machine(reason: str, message: str, expected: bool) -> None:
    assert ran_out_of_card(Failed(0, reason, message, "", False, 0.0)) == expected


def cards(count: int) -> list[PoolCard]:
    """Cards of two workers each that are ready and idle."""
    made = [PoolCard(Spot("node", f"card {number}")) for number in range(count)]
    for card in made:
        card.members = [Member(None, f"{card.spot.card} {number}") for number in range(2)]
        card.actors = dict.fromkeys(card.members)
    return made


def test_a_card_is_kept_until_it_is_empty_and_while_the_run_is_there() -> None:
    first, second = there = cards(2)
    busy, other = RemoteRun(Job(0, architecture(), 0)), RemoteRun(Job(1, architecture(), 0))
    first.members[0].runs.append(busy)
    second.members[0].runs.extend([other, other])
    second.members[1].runs.append(other)
    alone, runs = Seclusion(), [RemoteRun(Job(number, architecture(), 0)) for number in (2, 3)]
    for run in runs:
        alone.add(run)
    assert alone.choose(there) == first.members, "less runs there"
    assert not any(first.takes(member) for member in first.members)
    assert all(second.takes(member) for member in second.members)  # half of the cards, at most
    assert alone.sendable(there) == []
    first.members[0].runs.clear()
    assert alone.sendable(there) == [(runs[0], first.members[0])]
    first.members[0].runs.append(runs[0])
    assert alone.choose(there) == alone.sendable(there) == []
    first.members[0].runs.clear()
    alone.release(runs[0])
    assert first.takes(first.members[1])
    assert alone.choose(there) == first.members  # the other one


def test_a_run_whose_card_is_gone_gets_another_one() -> None:
    first, second = cards(2)
    alone, run = Seclusion(), RemoteRun(Job(0, architecture(), 0))
    alone.add(run)
    alone.choose([first, second])
    assert first.secluded
    assert alone.choose([second]) == second.members
    assert alone.sendable([second]) == [(run, second.members[0])]
    second.members[0].runs.append(run)
    assert alone.choose([first]) == [], "it is there until its worker is known to be lost"
    assert not alone.forget(run)


def test_a_card_that_may_be_gone_is_kept_for_nobody() -> None:
    first, second = there = cards(2)
    alone, run = Seclusion(), RemoteRun(Job(0, architecture(), 0))
    alone.add(run)
    alone.choose(there)
    first.suspect_until = time.monotonic() + 60
    assert alone.choose(there) == second.members
    assert not first.secluded
    second.suspect_until = time.monotonic() + 60
    assert alone.choose(there) == []
    assert alone.sendable(there) == []


def test_a_run_that_waits_to_be_alone_can_be_stopped() -> None:
    (card,) = there = cards(1)
    alone, run = Seclusion(), RemoteRun(Job(0, architecture(), 0))
    alone.add(run)
    assert alone.forget(run)
    assert not alone
    alone.add(run)
    card.members[0].runs = deque([RemoteRun(Job(1, architecture(), 0))])
    alone.choose(there)
    assert alone.forget(run)
    assert not card.secluded


@pytest.mark.parametrize(
    ("words", "reason", "gone", "fit"),
    [
        ("CUDA error: uncorrectable ECC error encountered", "worker_lost", True, False),
        ("CUDA error: an illegal memory access was encountered", "exception", False, False),
        ("no such module", "exception", False, True),
    ],
)
def test_a_card_may_be_gone_before_a_trial_has_begun(words: str, reason: str, gone: bool, fit: bool) -> None:
    def run(job: Job, check: Any, share: float | None) -> Any:
        raise RuntimeError(words)

    order = Order(0, pickle.dumps(Job(7, architecture(), 0)))
    (event,) = Worker.__new__(Worker)._run(run, order)  # type: ignore[arg-type]
    assert isinstance(event, Failed)
    assert (event.number, event.reason, event.infrastructure, event.fit) == (7, reason, gone, fit)
