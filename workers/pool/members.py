"""The workers of a pool: as many as there should be, on whatever nodes the cluster has."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ray

from search_spaces.errors import ExecutorError
from workers.acceleration import Acceleration
from workers.executor import Usage
from workers.job import Finished
from workers.pool import gang
from workers.pool.worker import Worker
from workers.remote import cluster
from workers.remote.cluster import LOOK_SECONDS
from workers.remote.runs import RemoteRun


@dataclass(eq=False)
class Member:
    """A worker of the pool: its actor, and the runs sent to it, the first one running.

    Attributes:
        actor: Ray's handle; of several processes, the first one's.
        name: its place in the pool, for people.
        runs: what it was ordered to do.
        ready: when it could train first; None: it is starting.
        listening: whether an answer is awaited from `Worker.exchange`.
        node: the node where it runs.
        handing_over: the trials that have ended while their weights are still on their way.
        others: the handles of the further processes.
        place: the placement group of several processes.
    """

    actor: Any
    name: str
    runs: deque[RemoteRun] = field(default_factory=deque)
    ready: float | None = None
    listening: bool = False
    node: str = ""
    handing_over: deque[tuple[RemoteRun, Finished]] = field(default_factory=deque)
    others: list[Any] = field(default_factory=list)
    place: Any = None
    _busy: float = 0.0
    _held: float = 0.0  # seconds with a run
    _since: float | None = None  # when it got its first run

    def occupy(self) -> None:
        """Notes that there is something to do, or that there is not."""
        now = time.monotonic()
        if self.runs and self.ready is not None and self._since is None:
            self._since = now
        elif not self.runs and self._since is not None:
            self._held += now - self._since
            self._since = None

    def trained(self, seconds: float) -> None:
        """Counts the seconds of a training."""
        self._busy += seconds

    def usage(self) -> Usage:
        """How its time was spent so far."""
        now = time.monotonic()
        life = 0.0 if self.ready is None else now - self.ready
        held = self._held + (now - self._since if self._since is not None else 0.0)
        busy = self._busy
        if self.runs and self.runs[0].began is not None:
            busy += now - self.runs[0].began
        busy = min(busy, held)
        return Usage(self.name, self.node, busy, max(0.0, life - held), held - busy)


class Members:
    """The workers of one pool.

    Args:
        data: Ray's reference to the problem.
        asked: how many workers there should be; None: as many as there is room for.
        resources: what each process takes of the cluster.
        processes: how many processes each worker has, which train a trial together.
        acceleration: how trials make use of their device.
        started: the function that is called with each new worker and Ray's reference to what it answers once
            it can train; that comes back by `take_ready`.

    Attributes:
        ready: the workers that can train.
        expected: how many workers there are, or soon will be, on the nodes that are there.
        look_again: when `adapt` has something to do (monotonic seconds).
    """

    def __init__(
        self,
        data: Any,
        asked: int | None,
        resources: cluster.Resources,
        processes: int,
        acceleration: Acceleration,
        started: Callable[[Member, Any], None],
    ) -> None:
        self._data, self._asked, self._resources, self._started = data, asked, resources, started
        self._processes, self._acceleration = processes, acceleration
        self._all: list[Member] = []
        self._names = itertools.count()
        self._room = 0
        self._failed_starts, self._most_failed = 0, 0
        self._ever_ready, self._patient_until = False, 0.0
        self.ready: list[Member] = []
        self.look_again = 0.0
        self._actor = ray.remote(concurrency_groups={"news": 1}, **resources.options())(Worker)

    def __contains__(self, member: Member) -> bool:
        return member in self._all

    @property
    def expected(self) -> int:
        return max(1, self._room if self._asked is None else min(self._room, self._asked))

    def begin(self, wait: float, retries: int) -> None:
        """Starts the workers.

        Where nodes are still to come, an autoscaler sees what the workers ask for.

        Args:
            wait: the seconds for room to appear, after which `adapt` raises.
            retries: how many starts in a row may fail before `take_ready` raises.

        Raises:
            ExecutorError: there is no room for even one, and none is waited for.
        """
        self._most_failed = retries
        self._patient_until = time.monotonic() + wait
        if wait <= 0:
            cluster.require_room(self._resources, self._processes)
        self.adapt()

    def adapt(self) -> None:
        """Follows the cluster: nodes that joined get workers, what waits for nodes that left is dropped.

        Raises:
            ExecutorError: there was no room for a first worker in time.
        """
        now = time.monotonic()
        if now < self.look_again:
            return
        self.look_again = now + LOOK_SECONDS
        self._room = cluster.room(self._resources, self._processes)
        if not self._room and not self._ever_ready and now > self._patient_until:
            cluster.require_room(self._resources, self._processes)
        self._grow()
        if self._asked is None:
            starting = [member for member in self._all if member.ready is None]
            for member in starting[::-1][: max(0, len(self._all) - self.expected)]:
                self._drop(member)

    def take_ready(self, member: Member, error: BaseException | None, node: str | None) -> None:
        """A worker can train, or could not be started.

        Raises:
            ExecutorError: none can.
        """
        if node is not None:
            self._failed_starts, self._ever_ready = 0, True
            member.ready, member.node = time.monotonic(), node
            self.ready.append(member)
            return
        self._failed_starts += 1
        if not self.ready and self._failed_starts > self._most_failed:
            raise ExecutorError(f"no worker can be started: {error}") from error
        self._drop(member)  # another one at the next look: whatever is wrong may pass

    def replace(self, member: Member) -> None:
        """A new worker in place of one."""
        self._drop(member)
        self._add(member.name)

    def close(self) -> None:
        """Ends all of them."""
        for member in list(self._all):
            self._drop(member)

    def _grow(self) -> None:
        wanted = self.expected if self._asked is None else self._asked
        while len(self._all) < wanted:
            self._add(f"worker {next(self._names)}")

    def _add(self, name: str) -> None:
        cpus, device = self._resources.cpus, "cuda" if self._resources.gpus > 0 else "cpu"
        if self._processes == 1:
            member = Member(self._actor.remote(self._data, cpus, device, self._acceleration), name)
            ready = member.actor.ready.remote()
        else:
            (first, *others), place, ready = gang.start(
                self._processes, self._resources, self._data, device, self._acceleration
            )
            member = Member(first, name, others=others, place=place)
        self._all.append(member)
        self._started(member, ready)

    def _drop(self, member: Member) -> None:
        self._all.remove(member)
        if member in self.ready:
            self.ready.remove(member)
        for actor in (member.actor, *member.others):
            ray.kill(actor)
        if member.place is not None:
            ray.util.remove_placement_group(member.place)
