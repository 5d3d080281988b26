"""What passes between a controller and whoever drives it: proposals out, outcomes in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controllers.objectives import Limit, Objective
from search_spaces import Architecture
from search_spaces.errors import ControllerError


@dataclass(frozen=True)
class Draft:
    """What an algorithm wants to try, before the novelty guard has looked at it.

    Attributes:
        architecture: the network to try.
        parents: the ids of the architectures that it was made from.
        origin: the word that says how it came about. The store keeps it, so a word once used stays: "random",
            "prior", "scores", "mutation", "crossover", "neighbour", "perturbation", "policy", "model",
            "sampler"; and of the novelty guard "walk", "random", "enumeration".
    """

    architecture: Architecture
    parents: tuple[str, ...] = ()
    origin: str = "random"


@dataclass(frozen=True)
class Proposal:
    """An architecture that a controller asks to have evaluated.

    Attributes:
        number: the place among the asks of one controller, from 0.
        architecture: the network to evaluate.
        parents: the ids of the architectures that it was made from.
        origin: the word that says how it came about, see `Draft`.
        repeat: whether the same network had been told or was in flight already. Whoever drives the controller
            may answer it from the record.
    """

    number: int
    architecture: Architecture
    parents: tuple[str, ...] = ()
    origin: str = "told"
    repeat: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, in the only form in which controllers compare trials.

    Attributes:
        feasible: whether it did not fail and respects all limits.
        failed: whether it failed.
        scores: one number per objective, higher is better; none for failed trials and for infeasible ones
            that were never trained.
        violation: the sum over the limits of the relative excess, 0.0 if feasible.
        before: the scores one epoch earlier, of a trial that pauses; empty where they are not known.
    """

    feasible: bool
    failed: bool
    scores: tuple[float, ...] = ()
    violation: float = 0.0
    before: tuple[float, ...] = ()


FAILED = Outcome(feasible=False, failed=True)


def judge(
    values: Mapping[str, float] | None, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> Outcome:
    """Returns the outcome that values amount to.

    A NaN or infinite objective, or a NaN limited metric, is a failure. Objectives may be missing when a limit
    is broken already by what was given: a trial may be turned down for its costs, without training.

    Args:
        values: the values by metric name; None: the trial failed.
        objectives: what the search tries to improve.
        limits: what it must respect.

    Raises:
        ControllerError: something else is missing, or is no number.
    """
    if values is None:
        return FAILED
    if not isinstance(values, Mapping):
        raise ControllerError(f"tell: expected values by metric name, or None for a failure, got {values!r}")
    needed = [objective.metric for objective in objectives] + [limit.metric for limit in limits]
    given = {metric: _number(values[metric], metric) for metric in needed if metric in values}
    if any(math.isnan(value) for value in given.values()):
        return FAILED
    if any(math.isinf(given.get(objective.metric, 0.0)) for objective in objectives):
        return FAILED
    violation = sum(limit.violation(given[limit.metric]) for limit in limits if limit.metric in given)
    missing = [metric for metric in needed if metric not in given]
    if missing and violation == 0.0:
        raise ControllerError(
            f"tell: expected a value for {', '.join(map(repr, missing))}"
            f" (or None for a failed trial), got {sorted(values) or 'nothing'}"
        )
    trained = all(objective.metric in given for objective in objectives)
    scores = tuple(objective.score(given[objective.metric]) for objective in objectives) if trained else ()
    return Outcome(feasible=violation == 0.0, failed=False, scores=scores, violation=violation)


def _number(value: object, metric: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ControllerError(f"tell: the value of {metric!r} must be a number, got {value!r}") from error
