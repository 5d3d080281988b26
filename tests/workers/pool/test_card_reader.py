# ruff: noqa: N802 - the names of NVML's own functions
"""What a worker reads of its card from NVML, of which there is a stand-in here."""

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from workers.pool import cards
from workers.pool.cards import CardReader, CardSample, Spot

GIB = 2**30
SPOT = Spot("node", "GPU-1", "NVIDIA H100", 80 * GIB, "GPU-1")


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__("GPU is lost")
        self.value = value


class StandIn(SimpleNamespace):
    """Module `pynvml` with two cards, of which one can be lost."""

    NVML_ERROR_GPU_IS_LOST = 15
    NVMLError = NVMLError

    def __init__(self) -> None:
        super().__init__()
        self.busy: list[int] = [50]
        self.counters, self.lost, self.asked = True, False, []

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != "GPU-1":
            raise NVMLError(6)
        return uuid

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"index {index}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        if self.lost:
            raise NVMLError(15)
        self.asked.append(handle)
        return SimpleNamespace(used=3 * GIB, total=81 * GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        if not self.counters:
            raise NVMLError(3)
        return SimpleNamespace(gpu=self.busy[0] if len(self.busy) == 1 else self.busy.pop(0))


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    monkeypatch.setattr(cards, "_SAMPLE_SECONDS", 0.001)
    return made


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def test_the_busy_share_is_the_mean_since_somebody_asked_last(nvml: StandIn) -> None:
    nvml.busy = [0, 100, 0, 100, 0, 100, 0, 100, 20]
    reader = CardReader(SPOT)
    wait_for(lambda: len(nvml.busy) == 1)
    sample = reader.read()
    assert sample.busy is not None
    assert 0.2 < sample.busy <= 0.5
    wait_for(lambda: reader.read().busy == 0.2)
    assert reader.read() == CardSample(0.2, 3 * GIB, 80 * GIB)
    nvml.lost = True  # ends its thread


def test_a_card_that_torch_does_not_see_is_found_by_its_index(nvml: StandIn) -> None:
    reader = CardReader(Spot("node", "node/1", "GPU 1", None, "1"))
    assert set(nvml.asked) == {"index 1"}
    assert reader.read() == CardSample(0.5, 3 * GIB, 81 * GIB)
    nvml.lost = True


def test_a_card_that_is_lost_while_it_is_watched_says_so(nvml: StandIn) -> None:
    reader = CardReader(SPOT)
    assert not reader.read().lost
    nvml.lost = True
    wait_for(lambda: reader.read().lost)


def test_a_card_without_counters_tells_its_memory_alone(nvml: StandIn) -> None:
    nvml.counters = False
    assert CardReader(SPOT).read() == CardSample(None, 3 * GIB, 80 * GIB)
    nvml.lost = True


def test_a_card_that_nvml_does_not_know_is_not_measured(nvml: StandIn) -> None:
    spot = Spot("node", "MIG-1", "a part of a card", 10 * GIB, "MIG-1")
    assert CardReader(spot).read() == CardSample(None, None, 10 * GIB)


def test_without_nvml_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as where it is not installed
    assert CardReader(SPOT).read() == CardSample(None, None, 80 * GIB)
