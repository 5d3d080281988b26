"""Holes: decisions left open in a space (`choice`, `integer`, `real`).

A hole knows its values and how to move among them; it knows nothing of where it stands or who decides.
Random numbers come in as ``rng``: anything with ``.random() -> float in [0, 1)``, such as
`random.Random` and `numpy.random.Generator`.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from search_spaces.errors import SpaceError

Value = str | int | float | bool | None
"""What a decision is: a plain value that JSON can hold."""

MUTATION_SPREAD = 0.2
"""Standard deviation of a mutation of a number, as a share of its (possibly logarithmic) range."""


class Rng(Protocol):
    """A source of randomness."""

    def random(self) -> float: ...


@dataclass(frozen=True)
class Hole(ABC):
    """A decision left open.

    Attributes:
        name: a hole with a name is decided once in an architecture, however often it stands in it.
    """

    name: str | None = field(default=None, kw_only=True)

    ordered = False
    """Whether near values mean near networks (numbers) or not (options)."""

    def __post_init__(self) -> None:
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise SpaceError(f"a hole's name: expected text, got {self.name!r}")

    @property
    @abstractmethod
    def values(self) -> tuple[Value, ...] | None:
        """All values in order, or None when there are infinitely many."""

    @property
    @abstractmethod
    def num_values(self) -> int | None:
        """How many values there are, None when infinitely many; without listing them."""

    @abstractmethod
    def value_at(self, index: int) -> Value:
        """The value at a position of ``values``; without listing them. A Real has none (IndexError)."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """The values in words, for error messages."""

    @abstractmethod
    def coerce(self, value: Any) -> Value:
        """``value`` as this hole's own plain type (a numpy integer becomes an int).

        Raises:
            ValueError: it is no value of this hole.
        """

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Where ``value`` lies between the first (0) and the last (1) value, on the hole's scale."""

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """The value nearest to ``unit`` in [0, 1]; the inverse of `to_unit`."""

    @abstractmethod
    def sample(self, rng: Rng) -> Value:
        """A value at random: uniform, on the hole's scale."""

    @abstractmethod
    def mutate(self, value: Value, rng: Rng) -> Value:
        """Another value (a near one, for numbers); the same only where there is no other."""

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is one of this hole's values."""
        try:
            self.coerce(value)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Choice(Hole):
    """One of several options, which may be anything, more holes included. Made by `choice`.

    Attributes:
        options: what stands in the architecture.
        labels: what stands for each option in the decisions.
    """

    options: tuple[Any, ...]
    labels: tuple[Value, ...]
    _positions: dict[Value, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.options:
            raise SpaceError("choice(): expected at least one option, got none")
        if len(self.options) != len(self.labels) or not all(map(is_plain, self.labels)):
            raise SpaceError(f"choice(): expected a plain label for each option, got {self.labels!r:.80}")
        if any(label != label for label in self.labels):  # NaN is not even itself
            raise SpaceError("choice(): NaN is no option: it equals nothing, not even itself")
        positions = {label: i for i, label in enumerate(self.labels)}
        if len(positions) < len(self.labels):
            raise SpaceError(f"choice({', '.join(map(repr, self.labels))}): two options cannot be told apart")
        object.__setattr__(self, "_positions", positions)

    def __hash__(self) -> int:
        return hash((self.labels, self.name))

    @property
    def values(self) -> tuple[Value, ...]:
        return self.labels

    @property
    def num_values(self) -> int:
        return len(self.labels)

    def value_at(self, index: int) -> Value:
        return self.labels[index]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(map(repr, self.labels))

    def position(self, value: Any) -> int:
        """Index of the option that ``value`` stands for. Raises ValueError if there is none."""
        value = plain(value)
        try:
            position = self._positions[value]
        except (KeyError, TypeError):
            raise ValueError(value) from None
        # True == 1 in Python, yet as a decision they are different things
        if isinstance(value, bool) != isinstance(self.labels[position], bool):
            raise ValueError(value)
        return position

    def coerce(self, value: Any) -> Value:
        return self.labels[self.position(value)]

    def to_unit(self, value: Value) -> float:
        return self.position(value) / max(1, len(self.labels) - 1)

    def from_unit(self, unit: float) -> Value:
        return self.labels[round(_clip(unit) * (len(self.labels) - 1))]

    def sample(self, rng: Rng) -> Value:
        return self.labels[int(rng.random() * len(self.labels))]

    def mutate(self, value: Value, rng: Rng) -> Value:
        if len(self.labels) == 1:
            return self.labels[0]
        position = int(rng.random() * (len(self.labels) - 1))
        return self.labels[position + (position >= self.position(value))]


@dataclass(frozen=True)
class Integer(Hole):
    """A whole number: ``low, low + step, ...`` up to ``high`` (both included). Made by `integer`."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    ordered = True

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"integer({self.low!r}, {self.high!r}, step={self.step!r})"
        if not all(_is_integer(v) for v in (self.low, self.high, self.step)):
            raise SpaceError(f"{where}: expected whole numbers")
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
        if not _is_integer(value):
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
            # half a step of margin gives the two ends their share
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

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"real({self.low!r}, {self.high!r})"
        if not all(_is_real(v) and math.isfinite(v) for v in (self.low, self.high)):
            raise SpaceError(f"{where}: expected finite numbers")
        if not math.isfinite(float(self.high) - float(self.low)):
            raise SpaceError(f"{where}: the range is too wide to be measured")
        if not self.low < self.high:
            raise SpaceError(f"{where}: expected low < high")
        if self.log and self.low <= 0:
            raise SpaceError(f"{where}: a logarithmic range starts above 0")
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


def choice(*options: Any, name: str | None = None, **labelled: Any) -> Choice:
    """One of several options, left open.

    In the decisions an option that is a plain value stands for itself; any other is known by a label:
    the keyword it came with, else the name of its class (numbered where two share it).

    Args:
        options: anything: plain values, layers, dicts and lists, with more holes inside.
        name: decide once for every hole of this name.
        labelled: more options, each with its label.

    Example:
        >>> choice(16, 32, 64)
        >>> choice(conv=layer(nn.Conv2d, out_channels=16, kernel_size=3), none=None)

    Raises:
        SpaceError: no options, or two that cannot be told apart.
    """
    options = tuple(plain(option) for option in options)
    labelled = {label: plain(option) for label, option in labelled.items()}
    names = [_label(option) for option in options]
    labels = [
        f"{name}-{i}" if not is_plain(options[i]) and (names.count(name) > 1 or name in labelled) else name
        for i, name in enumerate(names)
    ]
    return Choice((*options, *labelled.values()), (*labels, *labelled), name=name)


def integer(low: int, high: int, step: int = 1, log: bool = False, name: str | None = None) -> Integer:
    """A whole number from ``low`` to ``high`` (both included), left open; ``log`` for a logarithmic scale.

    Raises:
        SpaceError: not whole numbers, or an empty range.
    """
    return Integer(low, high, step, log, name=name)


def real(low: float, high: float, log: bool = False, name: str | None = None) -> Real:
    """A real number in ``[low, high]``, left open; ``log`` for a logarithmic scale.

    Raises:
        SpaceError: not finite numbers, or an empty range.
    """
    return Real(low, high, log, name=name)


def is_plain(value: object) -> bool:
    """Whether ``value`` is a plain value: text, number, truth value or None."""
    return value is None or isinstance(value, str | int | float)


def plain(value: Any) -> Any:
    """A scalar of numpy as Python's own; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _label(option: Any) -> Value:
    if is_plain(option):
        return option  # type: ignore[no-any-return]
    named: Callable[..., Any] | type = option if callable(option) else type(option)
    label = getattr(option, "label", None)  # layers and sequentials say what they are
    return label if isinstance(label, str) else getattr(named, "__name__", type(option).__name__)


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


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
