"""Space: an architecture with holes; `Space.fill` is its one primitive."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from search_spaces import serial
from search_spaces.architecture import Architecture
from search_spaces.arguments import Count, checked
from search_spaces.bounds import MOST, beyond
from search_spaces.errors import MISSING, DecisionError, FormatError, SpaceError
from search_spaces.holes import PLAIN, Choice, Hole, Rng, Value, check_no_module, plain
from search_spaces.nodes import (
    Layer,
    Repeat,
    Sequential,
    Wrapper,
    check_part,
    children,
    flat,
    join,
    place_of,
    rebuilt,
    unwrapped,
)
from search_spaces.ranges import Real
from search_spaces.space_size import count

Pick = Callable[[str, Hole], Value]
"""Answers a hole: ``pick(path, hole) -> value``."""


_DRAWS = 20
"""So many draws for each network of a sample, before a space is taken to have no other."""


class Space(Wrapper):
    """An architecture with holes: any nesting of dicts, lists, tuples, layers and plain values.

    A path says where a hole stands: the keys on the way to it, joined by dots; within an option of a choice
    the option's label is on the way too. A hole with a name has its name for a path, and is decided once.

    Args:
        value: the structure with the holes. A Space within a space stands for its value.

    Example:
        >>> space = Space({"op": choice("a", "b"), "width": integer(8, 64)})
        >>> space.sample(random.Random(0)).value["op"]

    Raises:
        SpaceError: two different holes share a name or a path; it holds a module that was made already, or a
            class or function where a layer belongs; or it is larger than the bounds (`search_spaces.bounds`).
    """

    label = "Space"

    @checked(SpaceError)
    def __init__(self, value: Any) -> None:
        self.value: Any = value.value if isinstance(value, Space) else plain(value)
        self._holes: dict[str, Hole] = {}
        model = self.value.get("model") if isinstance(self.value, dict) else None
        if isinstance(model, Choice | Repeat | list | tuple) or callable(model):
            check_part(model, "model")
        for path, hole, shared in _Walk().holes(self.value, "", False):
            if path in self._holes and not (shared and self._holes[path] == hole):
                raise SpaceError(f"two different holes are known as {path!r}")
            self._holes[path] = hole

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(tuple(self._holes))

    def __repr__(self) -> str:
        return f"Space({len(self._holes)} holes, {self._size_text()} architectures)"

    def fill(self, pick: Pick) -> Architecture:
        """Fills every active hole, in order, with what ``pick`` answers. Returns the architecture.

        Args:
            pick: called as ``pick(path, hole)`` once for each hole that the answers before it made active.

        Raises:
            DecisionError: an answer is not a value of its hole.
            SpaceError: ``pick`` is no function.
        """
        if not callable(pick):
            raise SpaceError(f"fill(): expected a function such as lambda path, hole: ..., got {pick!r:.80}")
        filling = _Filling(pick)
        value = filling.fill(self.value, "")
        return Architecture(value, filling.decisions, holes=filling.holes)

    @checked(SpaceError, only=())
    def sample(self, rng: Rng) -> Architecture:
        """Returns an architecture at random: every active hole filled uniformly on its own scale.

        Args:
            rng: the generator of random numbers, such as `random.Random`.

        Raises:
            SpaceError: it is no such generator.
        """
        if not callable(getattr(rng, "random", None)):
            raise SpaceError(f"sample(): expected a generator such as random.Random(0), got {rng!r:.80}")
        return self.fill(lambda path, hole: hole.sample(rng))

    @checked(SpaceError)
    def sample_different(self, number: Count, rng: Rng) -> list[Architecture]:
        """Returns different architectures at random; fewer where it has no more, as far as drawing tells.

        Args:
            number: the number of architectures.
            rng: the generator of random numbers, such as `random.Random`.

        Raises:
            SpaceError: an argument is not what it should be.
        """
        found: dict[str, Architecture] = {}
        for _ in range(_DRAWS * number):
            one = self.sample(rng)
            found.setdefault(one.id, one)
            if len(found) == number:
                break
        return list(found.values())

    @checked(SpaceError, only=())
    def architecture(self, decisions: Mapping[str, Value]) -> Architecture:
        """Returns the architecture that ``decisions`` (path -> value) describe.

        Raises:
            DecisionError: a decision is missing, has a wrong value, or belongs to no active hole.
        """

        def missing(path: str, hole: Hole) -> Value:
            raise DecisionError(path, hole.expected, MISSING)

        return self._decided(decisions, missing)

    @checked(SpaceError, only=())
    def plain(self, decisions: Mapping[str, Value] | None = None) -> Architecture:
        """Returns the architecture to begin with: the middle of all numbers, the first of other options.

        Args:
            decisions: the decisions that are to be otherwise (path -> value).

        Raises:
            DecisionError: a decision has a wrong value, or belongs to no active hole.
        """
        return self._decided({} if decisions is None else decisions, lambda path, hole: hole.plainest)

    def _decided(self, decisions: Mapping[str, Value], other: Pick) -> Architecture:
        """The architecture of these decisions, and where there is none of what ``other`` picks."""
        if not isinstance(decisions, Mapping):
            raise DecisionError("", "a mapping from paths to values", decisions)
        architecture = self.fill(
            lambda path, hole: decisions[path] if path in decisions else other(path, hole)
        )
        for path in decisions:
            if path not in architecture.decisions:
                known = path in self._holes
                why = "not active under the other decisions" if known else "the space has no such hole"
                raise DecisionError(str(path), f"nothing ({why})", decisions[path])
        return architecture

    def size(self) -> int | float:
        """Counts the ways to fill the space: exactly, or ``math.inf`` with a `real` in it.

        Where so many named holes depend on each other that counting passes its bound
        (`search_spaces.bounds`), it is ``math.inf``, too: they cannot be told from infinitely many.
        """
        if any(isinstance(hole, Real) for hole in self._holes.values()):
            return math.inf
        return count(self.value)

    def enumerate(self) -> Iterator[Architecture]:
        """Yields every architecture, the last decision varying fastest.

        Raises:
            SpaceError: the space is infinite.
        """
        if self.size() == math.inf:
            for path, hole in self._holes.items():
                if isinstance(hole, Real):
                    raise SpaceError(f"cannot enumerate an infinite space: {path!r} is a real number")
            raise SpaceError(beyond("states", "cannot enumerate a space whose size cannot be counted"))
        return self._enumerate()

    def _enumerate(self) -> Iterator[Architecture]:
        prefix: list[int] = []
        while True:
            turns: list[tuple[int, int]] = []  # for each decision: which value, of how many

            def pick(path: str, hole: Hole, prefix: Any = prefix, turns: Any = turns) -> Value:
                index = prefix[len(turns)] if len(turns) < len(prefix) else 0
                turns.append((index, hole.num_values or 0))
                return hole.value_at(index)

            yield self.fill(pick)
            while turns and turns[-1][0] + 1 == turns[-1][1]:
                turns.pop()
            if not turns:
                return
            prefix = [index for index, _ in turns]
            prefix[-1] += 1

    def holes(self) -> dict[str, Hole]:
        """Returns every hole that can ever be active, by path, in a fixed order."""
        return dict(self._holes)

    def to_json(self) -> str:
        """Writes the space as text; layers by name.

        Raises:
            SpaceError: it holds something that is not data (a function, an object).
        """
        return serial.dumps({"format": serial.SPACE_FORMAT, "value": serial.encode(self.value)})

    @staticmethod
    @checked(FormatError, elsewhere=("modules",))
    def from_json(text: str, modules: Iterable[Callable[..., Any]] | None = None) -> Space:
        """Reads the space that `to_json` wrote. No code is imported or run for it.

        Args:
            text: the JSON text.
            modules: the classes of your own that the text may name.

        Raises:
            FormatError: not a space, or one with a layer that is not known here.
        """
        return Space(serial.decode(serial.loads(text, serial.SPACE_FORMAT, modules)["value"]))

    def _size_text(self) -> str:
        size = self.size()
        if isinstance(size, float):
            return "infinitely many"
        return str(size) if size < 10**9 else f"about 1e{math.floor(math.log10(size))}"


class _Filling:
    """One filling of a space: the decisions so far."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.decisions: dict[str, Value] = {}
        self.holes: dict[str, Hole] = {}
        self._met: Counter[str] = Counter()

    def decide(self, hole: Hole, path: str) -> Value:
        if path in self.decisions:  # a named hole that stood elsewhere before
            return self.decisions[path]
        came = self.pick(path, hole)
        try:
            value = hole.coerce(came)
        except ValueError:
            raise DecisionError(path, hole.expected, came) from None
        self.decisions[path] = value
        self.holes[path] = hole
        return value

    def fill(self, node: Any, path: str) -> Any:
        if type(node) in PLAIN:  # most nodes: told without asking for each kind
            return node
        if isinstance(node, Hole):
            path = place_of(node, path)
            value = self.decide(node, path)
            if isinstance(node, Choice):
                option = node.options[node.position(value)]
                return self.fill(option, f"{path}.{value}")
            return value
        if isinstance(node, Sequential):
            return Sequential(tuple(flat(rebuilt(node.parts, path, self.fill))))
        if isinstance(node, Repeat):
            times: Any = self.fill(node.times, join(path, "times"))
            return rebuilt([node.block] * times, path, self.fill)
        if isinstance(node, Wrapper):
            return self.fill(node.value, path)
        if isinstance(node, Layer):
            return Layer(node.factory, rebuilt(node.arguments, path, self.fill), self._place(path))
        return rebuilt(node, path, self.fill)

    def _place(self, path: str) -> str:
        """Returns where a layer stands; under a choice with a name several layers stand at one path."""
        before = self._met[path]
        self._met[path] += 1
        return f"{path}#{before}" if before else path


class _Walk:
    """One walk through a space: how many nodes it met so far."""

    def __init__(self) -> None:
        self.met = 0

    def holes(self, node: Any, path: str, shared: bool, depth: int = 0) -> Iterator[tuple[str, Hole, bool]]:
        """Yields every hole below ``node``: its path, itself, and whether it may stand in several places.

        Raises:
            SpaceError: the space is larger than the bounds, or holds a module that was made already.
        """
        node = unwrapped(node)
        self.met += 1
        if self.met > MOST.parts:
            raise SpaceError(beyond("parts", f"the space, at {path!r:.80}"))
        if depth > MOST.depth:
            raise SpaceError(beyond("depth", f"the space has too many levels, at {path!r:.80}"))
        if isinstance(node, Hole):
            path, shared = place_of(node, path), shared or node.name is not None
            yield path, node, shared
        elif type(node) not in PLAIN:
            check_no_module(node, path or "the space")
        for step, child in children(node):
            if type(child) in PLAIN:
                self.met += 1
            else:
                yield from self.holes(child, join(path, step), shared, depth + 1)
