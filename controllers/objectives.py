"""What a search tries to improve (objectives) and what it must respect (limits)."""

import math
from dataclasses import dataclass
from typing import Literal

from search_spaces.arguments import checked, plain
from search_spaces.errors import ControllerError

MOST_BOUND = 1.7e308
"""The largest bound that is not infinite."""

Direction = Literal["maximize", "minimize"]


@checked(ControllerError)
@dataclass(frozen=True)
class Objective:
    """A metric to be made as large or as small as possible.

    Attributes:
        metric: the name of the metric.
        direction: whether it is to be maximized or minimized.

    Raises:
        ControllerError: the metric has no name, or the direction is unknown.
    """

    metric: str
    direction: Direction = "maximize"

    def __post_init__(self) -> None:
        _check_metric(self.metric, "objective")

    def score(self, value: float) -> float:
        """Returns the value with its sign set so that higher is better."""
        return value if self.direction == "maximize" else -value

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


@checked(ControllerError, elsewhere=("bound",))
@dataclass(frozen=True)
class Limit:
    """A bound on a metric; a trial that breaks it is infeasible.

    Attributes:
        metric: the name of the metric.
        bound: the largest value that is allowed, or the smallest one.
        at_least: whether the bound is the smallest value.

    Raises:
        ControllerError: the metric has no name, or the bound is no number.
    """

    metric: str
    bound: float
    at_least: bool = False

    def __post_init__(self) -> None:
        _check_metric(self.metric, "limit")
        bound = plain(self.bound)
        # a whole number beyond those of floats is compared with none of them
        number = isinstance(bound, int | float) and not isinstance(bound, bool) and abs(bound) <= MOST_BOUND
        if not number and bound not in (math.inf, -math.inf):
            raise ControllerError(
                f"limit on {self.metric!r}: the bound must be a number, not {self.bound!r:.80}"
            )
        object.__setattr__(self, "bound", bound)

    def violation(self, value: float) -> float:
        """Returns by how much `value` breaks the limit, as a share of the bound; 0.0 when it is respected.

        It is a share so that limits in different units (parameters, milliseconds) can be summed.
        """
        excess = self.bound - value if self.at_least else value - self.bound
        # not max(0.0, excess): that would call NaN respected
        return 0.0 if excess <= 0.0 else excess / (abs(self.bound) or 1.0)

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.at_least else '<='} {self.bound:g}"


@checked(ControllerError)
def maximize(metric: str) -> Objective:
    """Returns the objective of making `metric` as large as possible.

    Raises:
        ControllerError: the metric has no name.
    """
    return Objective(metric, "maximize")


@checked(ControllerError)
def minimize(metric: str) -> Objective:
    """Returns the objective of making `metric` as small as possible.

    Raises:
        ControllerError: the metric has no name.
    """
    return Objective(metric, "minimize")


@checked(ControllerError, elsewhere=("bound",))
def at_most(metric: str, bound: float) -> Limit:
    """Returns the limit `metric <= bound`.

    Raises:
        ControllerError: the metric has no name, or the bound is no number.
    """
    return Limit(metric, bound, at_least=False)


@checked(ControllerError, elsewhere=("bound",))
def at_least(metric: str, bound: float) -> Limit:
    """Returns the limit `metric >= bound`.

    Raises:
        ControllerError: the metric has no name, or the bound is no number.
    """
    return Limit(metric, bound, at_least=True)


def _check_metric(metric: str, what: str) -> None:
    if not metric:
        raise ControllerError(f"{what}: expected the name of a metric, got {metric!r}")
