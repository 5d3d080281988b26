"""How busy a card is and what it holds, by NVML: nothing of it where `pynvml` is not installed."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from types import TracebackType
from typing import Any

import torch

SAMPLES_PER_SECOND = 20


def describe(device: str) -> dict[str, str]:
    """The machine and what runs on it, by name."""
    found = {"device": device, "torch": torch.__version__, "cores": str(os.cpu_count())}
    if device == "cuda":
        found["device"] = torch.cuda.get_device_name()
        found["cuda"] = str(torch.version.cuda)
        card = Nvml.found()
        if card is not None:
            found["driver"] = card.driver()
    return found


def is_broken() -> bool:
    """Whether an error has left this process without a usable card: all that it asks of it fails then."""
    try:
        torch.cuda.synchronize()
        return float(torch.ones(1, device="cuda")) != 1.0
    except RuntimeError:
        return True


class Nvml:
    """The first card of this process, as NVML knows it.

    Args:
        module: the module `pynvml`, set up.
        handle: its name for the card.
    """

    def __init__(self, module: Any, handle: Any) -> None:
        self._module, self._handle = module, handle

    @staticmethod
    def found() -> Nvml | None:
        """The card; None where there is no NVML, or it does not know the card."""
        if not torch.cuda.is_available():
            return None
        try:
            module = importlib.import_module("pynvml")
            module.nvmlInit()
            uuid = torch.cuda.get_device_properties(0).uuid
            return Nvml(module, module.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        except Exception:  # NVML has errors of its own, and may be of any age
            return None

    def driver(self) -> str:
        """The version of the driver."""
        return str(self._module.nvmlSystemGetDriverVersion())

    def busy(self) -> float:
        """The percentage of the last moments (its own period) in which a kernel ran."""
        return float(self._module.nvmlDeviceGetUtilizationRates(self._handle).gpu)

    def used(self) -> int:
        """Bytes of the card's memory that are in use, by whomever."""
        return int(self._module.nvmlDeviceGetMemoryInfo(self._handle).used)

    def used_by(self, process: int) -> int | None:
        """Bytes that a process holds; None where the card does not tell: in a container numbers differ."""
        with contextlib.suppress(Exception):
            for one in self._module.nvmlDeviceGetComputeRunningProcesses(self._handle):
                if one.pid == process and one.usedGpuMemory is not None:
                    return int(one.usedGpuMemory)
        return None


class BusySampler:
    """Looks at a card from a thread while a ``with`` block runs.

    Attributes:
        samples: seconds since its begin, and the percentage that was busy.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._card = Nvml.found()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> BusySampler:
        if self._card is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look(self) -> None:
        began = time.monotonic()
        assert self._card is not None
        while not self._ended.wait(1 / SAMPLES_PER_SECOND):
            with contextlib.suppress(Exception):
                self.samples.append((time.monotonic() - began, self._card.busy()))

    def share(self) -> float | None:
        """The mean percentage; None where nobody could look.

        The first second is left out: what NVML tells is of the moments before.
        """
        later = [busy for moment, busy in self.samples if moment > 1.0]
        return sum(later) / len(later) if later else None

    def series(self, points: int = 24) -> list[float]:
        """The percentages over time, in so many means."""
        size = max(1, -(-len(self.samples) // points))
        busy = [value for _, value in self.samples]
        return [
            round(sum(busy[i : i + size]) / len(busy[i : i + size]), 1) for i in range(0, len(busy), size)
        ]
