"""Decisions as numbers: which hole, which option, where on the unit interval."""

from typing import NamedTuple

from search_spaces import Architecture, Space
from search_spaces.holes import Hole, Value
from search_spaces.ranges import Integer

MOST_OPTIONS = 32  # integers with more values than this are treated as continuous


class Step(NamedTuple):
    """One decision: the index of its hole, and the index of its option or its place in [0, 1].

    `option` is 0 for a continuous hole, `unit` is 0.0 for a categorical one.
    """

    hole: int
    option: int
    unit: float


class HoleTable:
    """The holes of a space that leave anything to decide, numbered.

    `sizes[h]` is the number of options of hole h, and 0 if it is continuous (`real`, or an `integer` with
    more than 32 values).
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

    def value(self, step: Step) -> Value:
        """The decision that a step stands for."""
        hole = self.holes[step.hole]
        if not self.sizes[step.hole]:
            return hole.from_unit(step.unit)
        values = hole.values
        assert values is not None
        return values[step.option]

    def encode(self, architecture: Architecture) -> list[Step]:
        """The decisions of an architecture in their order, those that this space does not know left out."""
        steps: list[Step] = []
        for path, value in architecture.decisions.items():
            index = self.paths.get(path)
            if index is None:
                continue
            if self.sizes[index]:
                option = self._positions[index].get((type(value), value))
                if option is not None:
                    steps.append(Step(index, option, 0.0))
            elif self.holes[index].contains(value):
                steps.append(Step(index, 0, self.holes[index].to_unit(value)))
        return steps
