"""What the tests of controllers share: spaces, results, and calls in a jumbled order."""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from controllers.base import Controller
from controllers.objectives import at_most, maximize
from controllers.records import Proposal
from search_spaces import Architecture, Space, choice, integer, real, repeat

FLAT = Space({f"op{i}": choice("a", "b", "c", "d") for i in range(8)})
CONDITIONAL = Space(
    {
        "body": choice(
            conv={"kernel": choice(1, 3, 5), "width": integer(8, 64, step=8)},
            mixer={"heads": choice(1, 2, 4), "inner": choice(wide={"factor": real(1.0, 4.0)}, none=None)},
            skip="skip",
        ),
        "rate": real(1e-4, 1e-1, log=True),
        "units": integer(1, 1000, log=True),
        "bias": choice(True, False, None),
    }
)
REPEATED = Space(
    {"stages": repeat({"op": choice("a", "b"), "k": choice(3, 5)}, integer(1, 4)), "n": choice(1, 2)}
)
SPACES = {"flat": FLAT, "conditional": CONDITIONAL, "repeated": REPEATED}


Make = Callable[..., Controller]
"""Makes a controller from a space, objectives and the options of every controller: limits, seed, repeats."""


def score(architecture: Architecture) -> float:
    """Returns a smooth function of any architecture: how near its decisions are to their last values."""
    places = [hole.to_unit(architecture.decisions[path]) for path, hole in architecture.holes.items()]
    return sum(places) / len(places)


def values_of(proposal: Proposal, rng: random.Random) -> Mapping[str, float] | None:
    """Returns such a result as a search sees: sometimes failed, sometimes with costs that break a limit."""
    draw = rng.random()
    if draw < 0.1:
        return None
    if draw < 0.15:
        return {"accuracy": math.nan, "size": 1.0}
    size = 10.0 * score(proposal.architecture)
    return {"size": size} if size > 8.0 else {"accuracy": rng.random(), "size": size}


def limited(make: Make, space: Space, seed: int = 0) -> Controller:
    """Makes a controller with the objective and the limit that `values_of` has values for."""
    return make(space, [maximize("accuracy")], limits=[at_most("size", 8.0)], seed=seed)


def drive(controller: Controller, steps: int, seed: int = 0) -> list[Any]:
    """Asks and tells in a jumbled order, with many in flight and some strangers told; returns the events."""
    rng = random.Random(seed)
    events: list[Any] = []
    for step in range(steps):
        if rng.random() < 0.55 or not controller.in_flight:
            events.append(("ask", controller.ask()))
        else:
            told = rng.choice(controller.in_flight)
            events.append(("tell", told, values_of(told, rng)))
            controller.tell(told, events[-1][2])
        if step % 17 == 16:
            stranger = Proposal(10_000 + step, controller.space.sample(rng))
            events.append(("tell", stranger, values_of(stranger, rng)))
            controller.tell(stranger, events[-1][2])
    return events


def ids(controller: Controller, count: int) -> list[str]:
    """Returns the ids of the next networks that a controller asks for."""
    return [controller.ask().architecture.id for _ in range(count)]


def scores_of(controller: Controller, count: int, metric: str, sign: float = 1.0) -> list[float]:
    """Returns the scores of the next networks asked for, each told before the next.

    Args:
        controller: the controller.
        count: the number of networks.
        metric: the metric that is told.
        sign: the sign with which the score is told.
    """
    scores = []
    for _ in range(count):
        proposal = controller.ask()
        scores.append(score(proposal.architecture))
        controller.tell(proposal, {metric: sign * scores[-1]})
    return scores
