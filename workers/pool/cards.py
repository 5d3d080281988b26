"""What a worker tells of the card that it trains on: which one it is, and how it does."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Any

import ray

_SAMPLE_SECONDS = 0.2
"""Between looks at a card: its own measure of how busy it is spans a sixth of a second to a second."""


@dataclass(frozen=True)
class Spot:
    """Where a process trains.

    Attributes:
        node: the node.
        card: the id of the card, unique in the cluster; empty on a CPU.
        name: the card's name, such as ``NVIDIA H100``.
        memory: the bytes of the card; None: not known.
        handle: how NVML finds it: its UUID, or its index on the node.
    """

    node: str
    card: str = ""
    name: str = ""
    memory: int | None = None
    handle: str = ""

    @staticmethod
    def here(device: str) -> Spot:
        """Returns that of this process, a worker of Ray.

        Args:
            device: the device that it trains on. Where Ray counts a GPU for a worker that trains on the CPU,
                it is taken for the card all the same.
        """
        node = str(ray.get_runtime_context().get_node_id())
        counted = [str(index) for index in ray.get_gpu_ids()]
        if not counted:
            return Spot(node)
        if device != "cuda":
            return Spot(node, f"{node}/{counted[0]}", f"GPU {counted[0]}", None, counted[0])
        import torch

        about = torch.cuda.get_device_properties(torch.cuda.current_device())
        uuid = str(about.uuid)
        uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        return Spot(node, uuid, about.name, about.total_memory, uuid)


@dataclass(frozen=True)
class CardSample:
    """How a card did since somebody asked last.

    Attributes:
        busy: the share of that time in which it computed, from 0 to 1; None: not measured.
        memory: the bytes in use, of all processes; None: not measured.
        memory_total: the bytes that it has; None: not known.
        lost: whether its driver has lost it.
    """

    busy: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    lost: bool = False


class CardReader:
    """Reads how a card does from NVML, in a thread of its own, from the first time that somebody asks.

    Without ``nvidia-ml-py`` (the extra ``gpu``), or where a card has no such counters (parts of a card by
    MIG), nothing is measured.

    Args:
        spot: the card.
    """

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._lock = threading.Lock()
        self._sum, self._count, self._busy = 0.0, 0, None
        self._memory: int | None = None
        self._total, self._lost = spot.memory, False
        try:
            import pynvml
        except ImportError:
            return
        self._nvml: Any = pynvml
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            if spot.handle.isdigit():
                self._handle = pynvml.nvmlDeviceGetHandleByIndex(int(spot.handle))
            else:
                self._handle = pynvml.nvmlDeviceGetHandleByUUID(spot.handle)
            self._look()
            threading.Thread(target=self._watch, name="card", daemon=True).start()

    _busy: float | None

    def read(self) -> CardSample:
        """Returns how the card did since the last call."""
        with self._lock:
            if self._count:
                self._busy = self._sum / self._count
            self._sum, self._count = 0.0, 0
            return CardSample(self._busy, self._memory, self._total, self._lost)

    def _watch(self) -> None:
        while not self._lost:
            time.sleep(_SAMPLE_SECONDS)
            self._look()

    def _look(self) -> None:
        nvml = self._nvml
        try:
            about = nvml.nvmlDeviceGetMemoryInfo(self._handle)
            with self._lock:
                self._memory, self._total = int(about.used), self._spot.memory or int(about.total)
            busy = nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100
            with self._lock:
                self._sum, self._count = self._sum + busy, self._count + 1
        except nvml.NVMLError as error:
            self._lost = getattr(error, "value", None) == nvml.NVML_ERROR_GPU_IS_LOST
