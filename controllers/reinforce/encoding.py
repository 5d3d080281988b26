"""Decisions as numbers: which hole, which option, where on the unit interval."""

from typing import NamedTuple

from search_spaces import Architecture, Space
from search_spaces.holes import Hole, Value
from search_spaces.ranges import Integer

MOST_OPTIONS = 32  # integers with more values than this are treated as continuous


class Token(NamedTuple):
    """One decision as a policy sees it: a token of the sequence that it samples.

    Attributes:
        hole: the index of the hole in its `HoleTable`.
        option: the index of the option, 0 for a continuous hole.
        unit: the place in [0, 1], 0.0 for a categorical hole.
    """

    hole: int
    option: int
    unit: float


class HoleTable:
    """The holes of a space that leave anything to decide, numbered.

    Attributes:
        paths: the number of each hole by its path.
        holes: the holes by their numbers.
        sizes: the number of options of each hole, 0 if it is continuous (`real`, or an `integer` with more
            than 32 values).
    """

    def __init__(self, space: Space) -> None:
        self.paths: dict[str, int] = {}
        self.holes: list[Hole] = []
        self.sizes: list[int] = []
        self._positions: list[dict[tuple[type, Value], int]] = []
        for path, hole in space.holes().items():
            values = None if isinstance(hole, Integer) and len(hole) > MOST_OPTIONS else hole.values
            if values is not None and len(values) == 1:
                continue
            self.paths[path] = len(self.holes)
            self.holes.append(hole)
            self.sizes.append(0 if values is None else len(values))
            # the type is part of the key: True == 1 == 1.0 in Python, yet as decisions they differ
            self._positions.append({(type(value), value): i for i, value in enumerate(values or ())})

    def value(self, token: Token) -> Value:
        """Returns the decision that a token stands for."""
        hole = self.holes[token.hole]
        if not self.sizes[token.hole]:
            return hole.from_unit(token.unit)
        values = hole.values
        assert values is not None
        return values[token.option]

    def encode(self, architecture: Architecture) -> list[Token]:
        """Returns the decisions of an architecture in their order, without those that this space lacks."""
        tokens: list[Token] = []
        for path, value in architecture.decisions.items():
            index = self.paths.get(path)
            if index is None:
                continue
            if self.sizes[index]:
                option = self._positions[index].get((type(value), value))
                if option is not None:
                    tokens.append(Token(index, option, 0.0))
            elif self.holes[index].contains(value):
                tokens.append(Token(index, 0, self.holes[index].to_unit(value)))
        return tokens
