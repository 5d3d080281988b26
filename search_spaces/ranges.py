"""Holes that are numbers in a range: `integer` and `real`."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from search_spaces.arguments import checked, is_whole
from search_spaces.errors import SpaceError
from search_spaces.holes import Hole, Rng, Value, plain

MOST_EXACT = 2**53
"""The largest whole number that a float holds, and all below it."""

MUTATION_SPREAD = 0.2
"""Standard deviation of a mutation of a number, as a share of its (possibly logarithmic) range."""


@dataclass(frozen=True)
class Integer(Hole):
    """A whole number: ``low, low + step, ...`` up to ``high`` (both included). Made by `integer`."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    ordered = True
    label = "Integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers_given = (self.low, self.high, self.step)
        where = f"integer({self.low!r:.40}, {self.high!r:.40}, step={self.step!r:.40})"
        if not all(map(is_whole, numbers_given)):
            raise SpaceError(f"{where}: expected whole numbers")
        if not all(-MOST_EXACT <= v <= MOST_EXACT for v in numbers_given):
            raise SpaceError(f"{where}: expected numbers from -2**53 to 2**53, which floats tell apart")
        _check_log(where, self.log)
        if self.step < 1 or self.low > self.high:
            raise SpaceError(f"{where}: expected low <= high and step >= 1")
        if self.log and self.low < 1:
            raise SpaceError(f"{where}: a logarithmic range starts at 1 or above")
        low, high, step = int(self.low), int(self.high), int(self.step)
        for name, number in (("low", low), ("high", low + (high - low) // step * step), ("step", step)):
            object.__setattr__(self, name, number)
        object.__setattr__(self, "log", bool(self.log))

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1, self.step))

    def __len__(self) -> int:
        return self.num_values

    @property
    def num_values(self) -> int:
        return (self.high - self.low) // self.step + 1

    def value_at(self, index: int) -> int:
        return range(self.low, self.high + 1, self.step)[index]

    @property
    def expected(self) -> str:
        steps = "" if self.step == 1 else f" in steps of {self.step}"
        return f"a whole number from {self.low} to {self.high}{steps}"

    def coerce(self, value: Any) -> int:
        if not is_whole(value):
            raise ValueError(value)
        if not self.low <= value <= self.high or (value - self.low) % self.step:
            raise ValueError(value)
        return int(value)

    def to_unit(self, value: Value) -> float:
        return _to_unit(self.coerce(value), self.low, self.high, self.log)

    def from_unit(self, unit: float) -> int:
        steps = (_from_unit(_clip(unit), self.low, self.high, self.log) - self.low) / self.step
        return self.low + self.step * round(steps)

    def sample(self, rng: Rng) -> int:
        if self.log:
            # with half a step of margin the two ends have their share
            low = math.log(max(self.low - self.step / 2, self.low / 2))
            high = math.log(self.high + self.step / 2)
            steps = round((math.exp(low + rng.random() * (high - low)) - self.low) / self.step)
            return self.low + self.step * min(max(steps, 0), self.num_values - 1)
        return self.low + self.step * int(rng.random() * self.num_values)

    def mutate(self, value: Value, rng: Rng) -> int:
        here = self.coerce(value)
        if self.num_values == 1:
            return here
        moved = self.from_unit(_nudge(self.to_unit(here), rng))
        if moved != here:
            return moved
        up = here + self.step <= self.high and (here == self.low or rng.random() < 0.5)
        return here + self.step if up else here - self.step


@dataclass(frozen=True)
class Real(Hole):
    """A real number in ``[low, high]``, on a logarithmic scale with ``log``. Made by `real`."""

    low: float
    high: float
    log: bool = False
    ordered = True
    label = "Real"

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"real({self.low!r:.40}, {self.high!r:.40})"
        if not all(_is_real(v) and _is_finite(v) for v in (self.low, self.high)):
            raise SpaceError(f"{where}: expected finite numbers")
        _check_log(where, self.log)
        if not math.isfinite(float(self.high) - float(self.low)):
            raise SpaceError(f"{where}: the range is too wide to be measured")
        if not float(self.low) < float(self.high):
            raise SpaceError(f"{where}: expected low < high")
        if self.log and self.low <= 0:
            raise SpaceError(f"{where}: a logarithmic range starts above 0")
        if self.log and not math.isfinite(float(self.high) / float(self.low)):
            raise SpaceError(f"{where}: the range is too wide to be measured on a logarithmic scale")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "log", bool(self.log))

    @property
    def values(self) -> None:
        return None

    @property
    def num_values(self) -> None:
        return None

    def value_at(self, index: int) -> float:
        raise IndexError(index)

    @property
    def expected(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def coerce(self, value: Any) -> float:
        if not _is_real(value) or not self.low <= value <= self.high:
            raise ValueError(value)
        return float(value)

    def to_unit(self, value: Value) -> float:
        return _to_unit(self.coerce(value), self.low, self.high, self.log)

    def from_unit(self, unit: float) -> float:
        value = _from_unit(_clip(unit), self.low, self.high, self.log)
        return min(max(value, self.low), self.high)

    def sample(self, rng: Rng) -> float:
        return self.from_unit(rng.random())

    def mutate(self, value: Value, rng: Rng) -> float:
        here = self.to_unit(value)
        moved = self.from_unit(_nudge(here, rng))
        return moved if moved != value else self.from_unit((here + 0.5) % 1)


@checked(SpaceError, only=())
def integer(low: int, high: int, step: int = 1, log: bool = False, name: str | None = None) -> Integer:
    """Leaves a whole number from ``low`` to ``high`` (both included) open.

    Args:
        low, high: the ends of the range.
        step: the distance between two values.
        log: whether the scale is logarithmic.
        name: the name of the hole; all holes of one name are decided once.

    Raises:
        SpaceError: not whole numbers, or an empty range.
    """
    return Integer(low, high, step, log, name=name)


@checked(SpaceError, only=())
def real(low: float, high: float, log: bool = False, name: str | None = None) -> Real:
    """Leaves a real number in ``[low, high]`` open.

    Args:
        low, high: the ends of the range.
        log: whether the scale is logarithmic.
        name: the name of the hole; all holes of one name are decided once.

    Raises:
        SpaceError: not finite numbers, or an empty range.
    """
    return Real(low, high, log, name=name)


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (OverflowError, ValueError):  # whole numbers beyond those of floats
        return False


def _check_log(where: str, log: Any) -> None:
    if not isinstance(plain(log), bool):
        raise SpaceError(f"{where}: log: expected True or False, got {log!r:.40}")


def _clip(unit: float) -> float:
    return min(max(unit, 0.0), 1.0)


def _to_unit(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _from_unit(unit: float, low: float, high: float, log: bool) -> float:
    if log:
        return low * math.exp(unit * math.log(high / low))
    return low + unit * (high - low)


def _nudge(unit: float, rng: Rng) -> float:
    """``unit`` moved by a normal step (Box-Muller), reflected at the ends of [0, 1]."""
    radius = math.sqrt(-2 * math.log(1 - rng.random()))
    moved = unit + MUTATION_SPREAD * radius * math.cos(2 * math.pi * rng.random())
    moved = abs(moved) % 2
    return 2 - moved if moved > 1 else moved
