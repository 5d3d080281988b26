"""Holes: decisions left open in a space; and the one among options, `choice`.

A hole knows its values and how to move among them; it knows nothing of where it stands or who decides.
Random numbers come in as ``rng``: anything with ``.random() -> float in [0, 1)``, such as
`random.Random` and `numpy.random.Generator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from search_spaces.errors import SpaceError

Value = str | int | float | bool | None
"""What a decision is: a plain value that JSON can hold."""

PLAIN = frozenset({str, int, float, bool, type(None)})
"""The classes of plain values."""


class Rng(Protocol):
    """A generator of random numbers."""

    def random(self) -> float: ...


@dataclass(frozen=True)
class Hole(ABC):
    """A decision left open.

    Attributes:
        name: the name; a hole that has one is decided once in an architecture, however often it stands in it.
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
        """Returns the value at a position of ``values``, without listing them. A Real raises IndexError."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """The values in words, for error messages."""

    @abstractmethod
    def coerce(self, value: Any) -> Value:
        """Returns ``value`` as this hole's own plain type (a numpy integer becomes an int).

        Raises:
            ValueError: it is no value of this hole.
        """

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Returns where ``value`` lies between the first (0) and the last (1) value, on the hole's scale."""

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """Returns the value nearest to ``unit`` in [0, 1]; the inverse of `to_unit`."""

    @property
    def plainest(self) -> Value:
        """Where one would begin: the middle of numbers; of other options the first."""
        return self.from_unit(0.5)

    @abstractmethod
    def sample(self, rng: Rng) -> Value:
        """Returns a value at random: uniform, on the hole's scale."""

    @abstractmethod
    def mutate(self, value: Value, rng: Rng) -> Value:
        """Returns another value (a near one, for numbers); the same only where there is no other."""

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
        options: the options, one of which stands in the architecture.
        labels: the values that stand for the options in the decisions.
    """

    options: tuple[Any, ...]
    labels: tuple[Value, ...]
    label = "Choice"
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
        """Returns the index of the option that ``value`` stands for. Raises ValueError if there is none."""
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
        return self.labels[round(min(max(unit, 0.0), 1.0) * (len(self.labels) - 1))]

    @property
    def plainest(self) -> Value:
        numbers = [label for label in self.labels if isinstance(label, int | float)]
        if len(numbers) < len(self.labels) or any(isinstance(label, bool) for label in numbers):
            return self.labels[0]
        return sorted(numbers)[(len(numbers) - 1) // 2]

    def sample(self, rng: Rng) -> Value:
        return self.labels[int(rng.random() * len(self.labels))]

    def mutate(self, value: Value, rng: Rng) -> Value:
        if len(self.labels) == 1:
            return self.labels[0]
        position = int(rng.random() * (len(self.labels) - 1))
        return self.labels[position + (position >= self.position(value))]


def choice(*options: Any, name: str | None = None, **labelled: Any) -> Choice:
    """Leaves a decision open among several options.

    In the decisions an option that is a plain value stands for itself; any other is known by a label:
    the keyword it came with, else the name of its class (numbered where two share it).

    Args:
        options: the options, which may be anything: plain values, layers, dicts and lists, with more holes.
        name: the name of the hole; all holes of one name are decided once.
        labelled: more options, each with its label.

    The plainest option comes first: `Space.plain` begins with it.

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


def is_plain(value: object) -> bool:
    """Whether ``value`` is a plain value: text, number, truth value or None."""
    return value is None or isinstance(value, str | int | float)


def plain(value: Any) -> Any:
    """Returns a scalar of numpy as Python's own; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _label(option: Any) -> Value:
    if is_plain(option):
        return option  # type: ignore[no-any-return]
    named: Callable[..., Any] | type = option if callable(option) else type(option)
    label = getattr(option, "label", None)  # what spaces are made of says what it is: decisions hold it
    return label if isinstance(label, str) else getattr(named, "__name__", type(option).__name__)
