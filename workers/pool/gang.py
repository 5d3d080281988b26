"""A pool's member of several processes: actors of one placement group that train each trial together."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from workers.job import Event, Failed, Finished, Last
from workers.pool.cards import Spot
from workers.pool.worker import Setup, Worker
from workers.remote import cluster
from workers.remote.messages import Order
from workers.remote.runners import Runner

if TYPE_CHECKING:
    from workers.training.process_group import ProcessGroup

_PATIENCE = 5.0
"""Seconds to wait for what the others have to say, once a process has ended a trial out of step."""

_UNREACHED = ("gloo", "NCCL", "DistBackendError")
"""How torch words it where a process does not reach another one."""

End = Finished | Failed | Exception
"""How a trial ended in one process; an exception of Ray's where that process was lost."""


class GangWorker(Worker):
    """One process of a member; the first one takes the orders and leads the others.

    A failure that all processes have agreed on leaves their process group clean. After any other one of them
    may wait for another for ever: the event is not `fit`, so that the driver replaces them all.
    """

    _group: ProcessGroup
    _store: Any
    _others: tuple[Any, ...] = ()

    def lead(self, others: list[Any]) -> list[Spot]:
        """Forms a process group with the others; returns where all of them are, when they can train."""
        from workers.training import process_group

        spots = ray.get([other.ready.remote() for other in others])
        self._store, address = process_group.listen(ray.util.get_node_ip_address())
        size = 1 + len(others)
        joined = [other.follow.remote(address, rank, size) for rank, other in enumerate(others, 1)]
        self._group = process_group.join(self._store, 0, size, self.device)
        ray.get(joined)
        self._others = tuple(others)
        return [*self.ready(), *(spot for some in spots for spot in some)]

    def follow(self, address: tuple[str, int], rank: int, size: int) -> None:
        """Joins the process group of a first process."""
        from workers.training import process_group

        self._store = process_group.reach(address)
        self._group = process_group.join(self._store, rank, size, self.device)

    def _run(self, run: Runner, order: Order) -> Iterator[Event]:
        group = self._group
        group.clean = False
        if group.leads:
            ends: queue.SimpleQueue[tuple[int, End]] = queue.SimpleQueue()
            for rank, other in enumerate(self._others, 1):
                # without the state to go on from: the first one tells the others
                orders = [dataclasses.replace(order, state=None)]
                call = other.exchange.options(concurrency_group="news").remote(orders)
                call.future().add_done_callback(partial(_put_end, ends, rank))
            # In a thread of its own: where another process is lost, this one may hang in the trial.
            watch = threading.Thread(target=self._watch, args=(order.ticket, ends), daemon=True)
            watch.start()
        for event in super()._run(partial(run, group=group), order):
            if isinstance(event, Failed) and not group.clean:
                event = dataclasses.replace(event, fit=False)
            if isinstance(event, Last) and group.leads:
                ends.put((0, event))
                watch.join()
            else:
                yield event

    def _watch(self, ticket: int, ends: queue.SimpleQueue[tuple[int, End]]) -> None:
        self._news.put(self._pack(ticket, common_end(ends, self._group.size)))


def _put_end(ends: queue.SimpleQueue[tuple[int, End]], rank: int, answer: Any) -> None:
    error = answer.exception()
    ends.put((rank, error if error is not None else answer.result()[-1].event))


def common_end(ends: queue.SimpleQueue[tuple[int, End]], size: int) -> Finished | Failed:
    """Returns how a trial ended, given how it ended in each of its processes.

    Args:
        ends: the ends with the ranks of their processes, as they come in. A process that waits for a lost one
            may send none.
        size: how many processes there are.

    Returns:
        ``worker_lost`` where one was lost; else a failure of its own in one of them, that of the lowest rank
        first; else what the first one says.
    """
    came: dict[int, Finished | Failed] = {}
    patience: float | None = None
    lost = ""
    while len(came) < size:
        try:
            rank, end = ends.get(timeout=patience)
        except queue.Empty:
            break
        if isinstance(end, Exception):
            lost = f"process {rank} of {size}: {type(end).__name__}: {end}"
            break
        came[rank] = end
        if not end.fit:
            patience = 0.0 if _is_own(end) else _PATIENCE
    failures = [end for _, end in sorted(came.items()) if isinstance(end, Failed) and end.reason != "stopped"]
    own = [end for end in failures if _is_own(end)]
    if not lost and own:
        end = own[0]
    elif not lost and not failures and 0 in came:
        end = came[0]
    else:
        message = lost or (failures[0].message if failures else "its first process does not answer")
        end = Failed(-1, "worker_lost", message[:1_000], "", True, 0.0, fit=False)
    fit = len(came) == size and all(other.fit for other in came.values())
    return dataclasses.replace(end, fit=fit)


def _is_own(end: Finished | Failed) -> bool:
    """Whether a process failed for a reason of its own, and not for what happened to another one."""
    return (
        isinstance(end, Failed)
        and end.reason != "stopped"
        and not any(words in end.message for words in _UNREACHED)
    )


def start(
    processes: int, resources: cluster.Resources, data: Any, setup: Setup
) -> tuple[list[Any], Any, Any]:
    """Starts the processes of a member, on one node if there is one with room for all of them.

    Args:
        processes: how many processes to start.
        resources: what each of them takes of the cluster.
        data: Ray's reference to the problem.
        setup: how they train.

    Returns:
        The actors, the first one first; their placement group; and Ray's reference to what `Worker.ready`
        returns of all of them, once they can train.
    """
    strategy = "STRICT_PACK" if cluster.fits_one_node(resources, processes) else "PACK"
    place = placement_group([resources.bundle()] * processes, strategy=strategy)
    kind = ray.remote(concurrency_groups={"news": 1}, **resources.options())(GangWorker)
    first, *others = (
        kind.options(
            scheduling_strategy=PlacementGroupSchedulingStrategy(place, placement_group_bundle_index=index)
        ).remote(data, setup)
        for index in range(processes)
    )
    return [first, *others], place, first.lead.remote(others)
