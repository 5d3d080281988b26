"""One trial in several processes: each takes its share of every batch, and all of them end it together."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import _set_pg_timeout

from workers.job import TrialStopped
from workers.training.criterion import shares
from workers.training.gradient_balancing import flattened

if TYPE_CHECKING:
    from search_spaces.signature import Task
    from workers.problems.split import Split
    from workers.training.criterion import Losses, TrainingLoss
    from workers.training.gradient_balancing import Gradients
    from workers.training.learning import Learning

_JOIN = timedelta(seconds=120)
"""How long a process waits for the others to join."""
_FAILED = timedelta(seconds=10)
"""How long a process that has failed waits for the others to hear it: they may be at another collective."""
_FOREVER = timedelta(days=7)
"""While the first one validates, the others wait. Who lets a trial hang is the caller's affair."""


class Group(ABC):
    """The processes that run a trial together, as one of them sees it.

    Attributes:
        rank: the number of this process, from 0.
        size: how many processes train together.
        clean: whether the last failure was one that all processes heard of, so that none of them waits for
            another any more.
    """

    rank: int
    size: int
    clean: bool

    @property
    def leads(self) -> bool:
        """Whether this process validates, tests, reports and saves."""
        return self.rank == 0

    @abstractmethod
    def agreement(self) -> AbstractContextManager[None]:
        """What is done inside fails in all processes, or in none.

        Raises:
            TrialStopped: it failed in another process only; raised on leaving.
        """

    @abstractmethod
    def begin(self, epochs: int, learning: Learning) -> int:
        """Brings the others to where the first process begins; returns the epochs that it has behind it."""

    @abstractmethod
    def parallel(
        self, loss_of: TrainingLoss, tasks: Mapping[str, Task], *, learns: bool, apart: bool
    ) -> Callable[[Split], Losses]:
        """Returns the losses of this process's share of a batch, as a function of the batch.

        They are weighted so that their mean over the processes is the loss of the whole batch. The gradients
        of their total are the mean over all processes when ``backward`` returns. Terms that compare examples
        with each other compare those of one process.

        Args:
            loss_of: the loss, in the same state in all processes but for its numbers: the first one's are
                taken over.
            tasks: the tasks by name.
            learns: whether anything in the loss has a gradient.
            apart: whether each task's gradient is wanted by itself; `reduce` brings them together.
        """

    @abstractmethod
    def reduce(self, rows: list[Gradients], parameters: list[Tensor]) -> list[Gradients]:
        """Returns the mean over the processes of gradients.

        Args:
            rows: a row of gradients for each loss, as many in all processes; None where nothing reaches a
                parameter.
            parameters: the parameters to which the gradients belong.
        """

    @abstractmethod
    def align(self, network: nn.Module) -> None:
        """Takes over the first process's buffers."""

    @abstractmethod
    def mean(self, value: Tensor) -> Tensor:
        """Returns the mean over the processes."""


class SingleProcess(Group):
    """A trial in one process: nothing to share, nobody to agree with."""

    def __init__(self) -> None:
        self.rank, self.size, self.clean = 0, 1, True

    def agreement(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begin(self, epochs: int, learning: Learning) -> int:
        return epochs

    def parallel(
        self, loss_of: TrainingLoss, tasks: Mapping[str, Task], *, learns: bool, apart: bool
    ) -> Callable[[Split], Losses]:
        return loss_of

    def reduce(self, rows: list[Gradients], parameters: list[Tensor]) -> list[Gradients]:
        return rows

    def align(self, network: nn.Module) -> None:
        pass

    def mean(self, value: Tensor) -> Tensor:
        return value


class ProcessGroup(Group):
    """This process among the others of a `torch.distributed` process group, which it has joined.

    Gradients go through `DistributedDataParallel`. All that has to be agreed on goes through gloo, so that no
    GPU waits for it.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.clean = True
        self._flag = torch.zeros(1)

    @contextmanager
    def agreement(self) -> Iterator[None]:
        self.clean = False
        try:
            yield
        except (Exception, SystemExit):
            self._any(True)
            raise
        if self._any(False):
            raise TrialStopped("another process of the trial has ended it")

    def _any(self, failed: bool) -> bool:
        """Whether one of the processes has failed."""
        self._flag.fill_(failed)
        vote = dist.all_reduce(self._flag, async_op=True)
        try:
            vote.wait(_FAILED if failed else _FOREVER)
        except RuntimeError:
            if not failed:
                raise
            return True  # not heard: this is not `clean`
        ended = bool(self._flag)
        self.clean = ended
        return ended

    def begin(self, epochs: int, learning: Learning) -> int:
        behind = torch.tensor(epochs)
        dist.broadcast(behind, 0)
        if behind:
            for tensor in learning.state().values():
                _take_over(tensor)
        return int(behind)

    def parallel(
        self, loss_of: TrainingLoss, tasks: Mapping[str, Task], *, learns: bool, apart: bool
    ) -> Callable[[Split], Losses]:
        compute: Callable[..., Losses] = loss_of
        if learns:
            if next(loss_of.parameters()).is_cuda:
                nn.SyncBatchNorm.convert_sync_batchnorm(loss_of.network)  # type: ignore[no-untyped-call]
            if apart:
                for tensor in (*loss_of.parameters(), *loss_of.buffers()):
                    _take_over(tensor)
            else:
                # Over the loss, not the network: an answer that is in no loss then counts as not used. What
                # is not used may change from step to step, so torch looks for it in each.
                compute = nn.parallel.DistributedDataParallel(
                    loss_of, find_unused_parameters=True, gradient_as_bucket_view=True
                )
                compute.broadcast_buffers = False  # once an epoch will do: see `align`

        def shared(batch: Split) -> Losses:
            count = len(batch)
            if count < 2 * self.size:
                # Batch normalisation cannot learn from one example: so small a batch is everybody's.
                return compute(batch, shares(tasks, batch, slice(count)))
            own = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
            return compute(batch.take(own), shares(tasks, batch, own, self.size))

        return shared

    def reduce(self, rows: list[Gradients], parameters: list[Tensor]) -> list[Gradients]:
        reached = torch.tensor([[gradient is not None for gradient in row] for row in rows]).int()
        dist.all_reduce(reached, dist.ReduceOp.MAX)
        reduced: list[Gradients] = []
        for row, anywhere in zip(rows, reached.tolist(), strict=True):
            there = [index for index, reaches in enumerate(anywhere) if reaches]
            found: Gradients = [None] * len(parameters)
            if there:
                flat = self.mean(flattened((parameters[index], row[index]) for index in there))
                parts = torch.split(flat, [parameters[index].numel() for index in there])
                for index, part in zip(there, parts, strict=True):
                    found[index] = part.view(parameters[index].shape)
            reduced.append(found)
        return reduced

    def align(self, network: nn.Module) -> None:
        for buffer in network.buffers():
            _take_over(buffer)

    def mean(self, value: Tensor) -> Tensor:
        value = value / self.size
        dist.all_reduce(value)
        return value


def _take_over(tensor: Tensor) -> None:
    """Set a tensor to what it is in the first process."""
    dense = tensor.detach().contiguous()
    dist.broadcast(dense, 0)
    if dense.data_ptr() != tensor.data_ptr():  # it was laid out in another way
        tensor.copy_(dense)


def listen(host: str) -> tuple[Any, tuple[str, int]]:
    """The store at which the processes meet, at a free port of this host's address, and at no other.

    Returns:
        The store, to be kept for as long as the group lives, and its address.
    """
    door = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    port = door.getsockname()[1]
    store = TCPStore(
        host, port, is_master=True, timeout=_JOIN, wait_for_workers=False, master_listen_fd=door.detach()
    )
    return store, (host, port)


def reach(address: tuple[str, int]) -> Any:
    """The store of another process."""
    return TCPStore(*address, is_master=False, timeout=_JOIN)


def join(store: Any, rank: int, size: int, device: str) -> ProcessGroup:
    """Joins a process group, which lives as long as its processes; returns when all are there.

    Args:
        store: where they meet.
        rank: the rank of this process.
        size: how many processes the group has.
        device: the device to train on: NCCL joins GPUs, gloo all else.
    """
    if store.host in ("127.0.0.1", "localhost", "::1"):
        loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
        if loopback is not None:
            os.environ["GLOO_SOCKET_IFNAME"] = loopback
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_JOIN)
    _set_pg_timeout(_FOREVER)
    return ProcessGroup()
