"""Holes: decisions left open in a space; and the one among options, `choice`.

A hole knows its values and how to move among them; it knows nothing of where it stands or who decides.
Random numbers come in as ``rng``: anything with ``.random() -> float in [0, 1)``, such as
`random.Random` and `numpy.random.Generator`.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeGuard

from search_spaces.arguments import checked, plain
from search_spaces.bounds import MOST, beyond
from search_spaces.errors import SpaceError

__all__ = ["PLAIN", "Choice", "Hole", "Rng", "Undecided", "Value", "choice", "is_plain", "plain"]

Value = str | int | float | bool | None
"""What a decision is: a plain value that JSON can hold."""

PLAIN = frozenset({str, int, float, bool, type(None)})
"""The classes of plain values."""


class Rng(Protocol):
    """A generator of random numbers."""

    def random(self) -> float: ...


_OPERATIONS = {
    "+": "add radd pos", "-": "sub rsub neg", "*": "mul rmul", "@": "matmul rmatmul", "/": "truediv rtruediv",
    "//": "floordiv rfloordiv", "%": "mod rmod", "**": "pow rpow", "<<": "lshift rlshift",
    ">>": "rshift rrshift", "&": "and rand", "^": "xor rxor", "|": "or ror", "~": "invert", "<": "lt",
    "<=": "le", ">": "gt", ">=": "ge", "[...]": "getitem", "a condition (if, while, and, or, not)": "bool",
    "range() or an index": "index",
    "divmod()": "divmod rdivmod", "abs()": "abs", "int()": "int", "float()": "float",
    "complex()": "complex", "round()": "round", "floor()": "floor", "ceil()": "ceil", "trunc()": "trunc",
}  # fmt: skip
"""What people write, by the names of the methods that Python calls for it."""


def _computed(written: str) -> Callable[..., Any]:
    """Returns a method for what is ``written`` with a value that is not known yet."""

    def method(self: Any, *others: Any) -> Any:
        raise SpaceError(
            f"{written} with {self!r:.120}: its value is decided when the space is filled. Write the values "
            "that are to be chosen from, such as choice(8, 16), or compute in a module of your own that is "
            "given the value: layer(Mine, width=choice(16, 32))"
        )

    return method


class Undecided:
    """What stands for a value that is not known yet: whoever computes with it is told so."""

    __slots__ = ()


for _written, _names in _OPERATIONS.items():
    for _name in _names.split():
        setattr(Undecided, f"__{_name}__", _computed(_written))


@dataclass(frozen=True)
class Hole(Undecided, ABC):
    """A decision left open.

    It is no number, though it may stand for one: arithmetic, comparisons and truth values raise a
    `SpaceError`. (Two holes are equal if they are alike.)

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
        if len(self.options) > MOST.options:
            raise SpaceError(beyond("options", f"choice({self.options[0]!r:.40}, ...)"))
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

    @property
    def numbers(self) -> tuple[float, ...]:
        """The labels in ascending order, where all of them are numbers; else none."""
        numbers = [one for one in self.labels if is_number(one)]
        return tuple(sorted(numbers)) if len(numbers) == len(self.labels) else ()

    def value_at(self, index: int) -> Value:
        return self.labels[index]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(map(repr, self.labels[:20])) + ", ..." * (len(self.labels) > 20)

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
        numbers = self.numbers
        return numbers[(len(numbers) - 1) // 2] if numbers else self.labels[0]

    def sample(self, rng: Rng) -> Value:
        return self.labels[int(rng.random() * len(self.labels))]

    def mutate(self, value: Value, rng: Rng) -> Value:
        if len(self.labels) == 1:
            return self.labels[0]
        position = int(rng.random() * (len(self.labels) - 1))
        return self.labels[position + (position >= self.position(value))]


@checked(SpaceError)
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
        SpaceError: no options, too many, or two that cannot be told apart; a lone list, which is one option;
            or a module, a class or a function, which is no layer. (Where an argument of a layer is to be a
            class or a function itself, each is given by its label: ``choice(relu=nn.ReLU, gelu=nn.GELU)``.)
    """
    if len(options) + len(labelled) > MOST.options:
        raise SpaceError(beyond("options", f"choice({next(iter(options), '...')!r:.40}, ...)"))
    if len(options) == 1 and not labelled:
        _check_lone(options[0])
    options = tuple(plain(option) for option in options)
    labelled = {label: plain(option) for label, option in labelled.items()}
    for place, option in enumerate((*options, *labelled.values())):
        check_no_module(option, f"choice(): option {place + 1}")
        if place < len(options) and callable(option):
            named = getattr(option, "__name__", type(option).__name__)
            raise SpaceError(
                f"choice(): option {place + 1} is {_called(option)}, and no layer: "
                f"expected {written_as_layer(option)}. Where an argument of a layer is to be {named} itself, "
                f"give it a label: choice({named if str(named).isidentifier() else 'label'}={named})"
            )
    names = [_label(option) for option in options]
    labels = [
        f"{name}-{i}" if not is_plain(options[i]) and (names.count(name) > 1 or name in labelled) else name
        for i, name in enumerate(names)
    ]
    return Choice((*options, *labelled.values()), (*labels, *labelled), name=name)


def _check_lone(option: Any) -> None:
    """Refuses a lone option that holds what were to be the options."""
    if isinstance(option, str | bytes | Mapping) or not isinstance(option, Iterable):
        return
    try:
        members = list(itertools.islice(option, 4))
    except Exception:  # whatever a stranger's class raises: it is not a list of options
        return
    shown = ", ".join(f"{plain(member)!r:.20}" for member in members[:3]) + ", ..." * (len(members) > 3)
    kind = type(option).__name__
    raise SpaceError(
        f"choice(): the only option is a {kind}: expected the options one by one, choice({shown}), or "
        f"choice(*options) for those in a {kind}; a choice of one is no choice: write the {kind} itself"
    )


def check_no_module(value: object, where: str) -> None:
    """Refuses a module that was made already: all networks of a space would share its weights.

    Args:
        value: what may be one.
        where: where it stands, in words.

    Raises:
        SpaceError: it is one.
    """
    if is_module(value):
        raise SpaceError(
            f"{where} is a module that was made already, which all networks would share: expected "
            f"{written_as_layer(type(value))}, got {value!r:.80}"
        )


def is_module(value: object) -> bool:
    """Whether ``value`` is a torch module (without importing torch to find out)."""
    kind: Any = type(value)
    return _makes_modules(kind)


@lru_cache(maxsize=4096)
def _makes_modules(kind: type) -> bool:
    return any(
        base.__name__ == "Module" and base.__module__ == "torch.nn.modules.module" for base in kind.__mro__
    )


def written_as_layer(factory: object) -> str:
    """Returns the code of the layer that is to be written in place of a class or a function."""
    if not isinstance(factory, type):
        return "layer(Mine), with Mine a class of modules whose forward calls the function"
    torchs = factory.__module__.startswith("torch.nn.modules.")
    return f"layer({'nn.' if torchs else ''}{factory.__name__}, ...)"


def _called(thing: object) -> str:
    """What a class or function is, in words."""
    kind = "the class" if isinstance(thing, type) else "the function"
    return f"{kind} {getattr(thing, '__name__', type(thing).__name__)}"


def is_plain(value: object) -> bool:
    """Whether ``value`` is a plain value: text, number, truth value or None."""
    return value is None or isinstance(value, str | int | float)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether ``value`` is a number; True and False are options."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(option: Any) -> Value:
    if is_plain(option):
        return option  # type: ignore[no-any-return]
    named: Callable[..., Any] | type = option if callable(option) else type(option)
    label = getattr(option, "label", None)  # what spaces are made of says what it is: decisions hold it
    return label if isinstance(label, str) else getattr(named, "__name__", type(option).__name__)
