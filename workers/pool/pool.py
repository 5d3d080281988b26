"""The executor over a pool of Ray actors, the default: workers that live across trials."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import ray

from search_spaces.arguments import Count, NotNegative, Patience, Whole, checked
from search_spaces.errors import ExecutorError
from workers.acceleration import Acceleration, Autocast, Choice
from workers.executor import Card, Executor, Usage
from workers.job import Event, Job
from workers.pool.cards import CardReader, Spot
from workers.pool.members import Members
from workers.pool.packed import SHARE, Estimates, PackedMembers
from workers.pool.packing import WINDOW
from workers.pool.ray_metrics import PoolMetrics
from workers.pool.traffic import QUEUED, Traffic
from workers.pool.worker import Setup
from workers.remote import cluster
from workers.remote.messages import forget_banks
from workers.remote.runners import Packed, pack
from workers.table import Table

if TYPE_CHECKING:
    from workers.problems.problem import Problem


class Pool(Executor):
    """Trains on Ray: on the cluster that this process is connected to, else on one at ``address``, else on
    one started here for the time that the pool is open.

    Each worker has its next job queued, so that it never waits for the driver. Nodes may join and leave: new
    ones are used within seconds. A trial whose worker is lost (killed, node gone) is run again elsewhere,
    ``retries`` times at most, from its last checkpoint where the job has a ``folder``; then it is `Failed`
    with ``worker_lost``, or with ``out_of_memory`` where Ray killed its workers for that. A trial that does
    not end by itself ``grace`` seconds after its time is over, or after it was stopped, loses its process; so
    does one that is silent for too long, at once.

    With ``processes`` above 1 so many train each trial together (torch's `DistributedDataParallel`, with
    NCCL on GPUs, gloo on CPUs), on one node where one has room for them. Each takes its share of every batch:
    the result is that of one process with the same batch size, up to floating point and dropout. Batch
    normalisation sees the whole batch on GPUs (`SyncBatchNorm`); on CPUs each process sees its share, and the
    first one's running statistics count. Who loses one of its processes is lost as a whole.

    With a share of a GPU (``gpus=0.125``) each worker is held to that share of the card's memory. With
    ``gpus="auto"`` each card is reserved as a whole, with its part of the node's cores, and begins with one
    trial. Then they become more while it is less than 90 % busy (measured with the extra ``gpu``), as many as
    fit in its memory by estimates that measured peaks correct, 16 at most (8 where nobody measures); fewer
    again where they do not fit. ``workers`` bounds all of them. What `cards` says of each goes on meanwhile.
    A trial that has run out of a card's memory without having had all of it is trained once more, alone on
    its card; only then it is the network's failure. Where MPS runs on a node (its
    ``CUDA_MPS_PIPE_DIRECTORY`` is in the environment in which Ray was started) workers use it.

    A `workers.tabular.Table` in place of a problem is played in real time.

    Args:
        workers: how many workers, with ``gpus="auto"`` at most; left out, as many as the cluster has room
            for, whatever that comes to be. More than that wait for nodes: an autoscaler sees what they ask
            for.
        cpus: the cores and torch threads of each process.
        gpus: the GPUs, or the share of one, of each process; above 0, trials train on it. ``"auto"``: whole
            cards are reserved, and how many trials share one follows from it; see above.
        address: the address of a cluster (``"auto"``, ``"host:port"``).
        memory: the bytes that Ray sets aside for each process; nothing enforces them (`Job.memory` does).
        resources: what each process takes of your cluster's own resources, such as ``{"A100": 1}``.
        processes: how many processes each worker has, which train every trial together; see above.
        retries: how often a trial whose worker is lost is run again; see above.
        grace: the seconds that a trial has to end by itself; see above.
        wait: the seconds to wait for room for a first worker, where nodes are still to come.
        device: the device to train on, ``cuda`` or ``cpu``; left out, ``cuda`` where ``gpus`` is above 0.
            With ``cpu`` the GPUs that Ray counts only say how many workers there are.
        autocast, compile, graphs, deterministic: how trials make use of their device; see
            `workers.acceleration.Acceleration`.
    """

    _reader: Callable[[Spot], CardReader] = CardReader
    """What reads on a worker how its card does."""
    _window: float = WINDOW
    """Seconds for which a card is watched before more trials are let on it."""
    trains = True
    banks = True

    @checked(ExecutorError)
    def __init__(
        self,
        workers: Count | None = None,
        cpus: Count = 1,
        gpus: NotNegative | Literal["auto"] = 0,
        address: str | None = None,
        *,
        memory: Count | None = None,
        resources: Mapping[str, float] | None = None,
        processes: Count = 1,
        retries: Whole = 2,
        grace: Patience = 15.0,
        wait: Patience = 0.0,
        device: Literal["cuda", "cpu"] | None = None,
        autocast: Autocast = "recipe",
        compile: Choice = False,
        graphs: Choice = "auto",
        deterministic: bool = False,
    ) -> None:
        self._auto = gpus == "auto"
        counted: Any = SHARE if gpus == "auto" else gpus
        self._resources = cluster.Resources(cpus, counted, memory, dict(resources or {}))
        if processes > 1 and 0 < self._resources.gpus < 1:
            raise ExecutorError(f"Pool(processes=...): several processes need a GPU each, got gpus={gpus!r}")
        if device == "cuda" and not self._resources.gpus:
            raise ExecutorError(
                'Pool(device="cuda"): expected gpus above 0, of which workers see theirs alone'
            )
        self._device = device or ("cuda" if self._resources.gpus else "cpu")
        self._processes = processes
        self._acceleration = Acceleration(autocast, compile, graphs, deterministic)
        self._asked, self._address = workers, address
        self._retries, self._grace, self._wait = retries, grace, wait
        self._lost_before = 0
        self._own_ray = False
        self._members: Members | None = None
        self._traffic = Traffic(retries, grace)

    @property
    def slots(self) -> int:
        return QUEUED * self.parallelism

    @property
    def parallelism(self) -> int:
        return self._asked or 1 if self._members is None else self._members.expected

    @property
    def holds(self) -> Mapping[str, float]:
        return {} if self._members is None else self._members.holds

    @property
    def lost_workers(self) -> int:
        """How many workers were lost so far while the pool was open."""
        return self._lost_before + self._traffic.lost_workers

    def _open(self, problem: Problem | Table) -> None:
        if self._processes > 1 and isinstance(problem, Table):
            raise ExecutorError(f"Pool(processes={self._processes}): a table is played by one process")
        cores = None if self._asked is None else self._asked * self._resources.cpus * self._processes
        self._own_ray = cluster.connect(self._address, cores)
        self._renew_traffic()
        self._metrics = PoolMetrics()
        packed = pack(problem)
        self._members = self._make_members(packed, ray.put(packed))
        self._traffic.begin(self._members)
        self._members.begin(self._wait, self._retries)

    def _make_members(self, packed: Packed, data: Any) -> Members:
        # with cards that are packed, each order says how much of its card is for it
        share = 1.0 if self._auto else self._resources.share
        setup = Setup(self._resources.cpus, self._device, self._acceleration, share, self._reader)
        started = self._traffic.listen_for_ready
        if not self._auto:
            return Members(data, self._asked, self._resources, self._processes, setup, started)
        return PackedMembers(
            data,
            self._asked,
            self._resources,
            setup,
            started,
            estimates=Estimates(packed),
            window=self._window,
        )

    def _start(self, jobs: Sequence[Job]) -> None:
        self._traffic.add(jobs)

    def _events(self, timeout: float | None) -> list[Event]:
        events = self._traffic.events(math.inf if timeout is None else time.monotonic() + timeout)
        if events:
            self._metrics.count(events)
            if self._metrics.due and self._members is not None:
                busy = sum(bool(member.runs) for member in self._members.ready)
                self._metrics.export(self.usage(), busy)
        return events

    def _stop(self, number: int) -> None:
        self._traffic.stop(number)

    def _queued(self) -> frozenset[int]:
        return self._traffic.queued

    def usage(self) -> list[Usage]:
        return [] if self._members is None else [member.usage() for member in self._members.ready]

    def cards(self) -> list[Card]:
        if self._members is None:
            return []
        return [card.describe() for card in self._members.cards if card.spot.card]

    def _close(self) -> None:
        members, self._members = self._members, None
        self._renew_traffic()
        forget_banks()
        if ray.is_initialized():
            if members is not None:
                members.close()
            if self._own_ray:
                ray.shutdown()
        self._own_ray = False

    def _renew_traffic(self) -> None:
        self._lost_before += self._traffic.lost_workers
        self._traffic = Traffic(self._retries, self._grace)
