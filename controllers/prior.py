"""A prior over decisions: what people and older searches expect of them before there are results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers import ranking
from controllers.records import Outcome
from search_spaces import Architecture, Space
from search_spaces.arguments import checked
from search_spaces.errors import ControllerError, DecisionError, nearest
from search_spaces.holes import Choice, Hole, Rng, Value, is_number, is_plain

HALF_TRUST = 10
"""The number of results after which half of the decisions are drawn from the prior, the others uniformly."""

MOVED = 2.0
"""The number of decisions in which a draw differs from the network that it is near, at first, on average."""

MOST_MOVED = 0.5
"""The largest share of them, in networks of few decisions."""

COMPARED = 20
"""The number of results of either kind by which draws from a prior are compared with uniform ones."""

EXPECTED_WINS, EXPECTED_PAIRS = 3.0, 4.0
"""What is expected of that comparison: in how many of how many pairs the prior's is better."""

Decisions = Mapping[str, Value]


@checked(ControllerError, elsewhere=("centers", "weights"))
@dataclass(frozen=True)
class Prior:
    """What is expected of the decisions of a space before there are results, as plain data.

    A draw is a few mutations away from a network that is expected to be good: each decision of `centers` is
    kept or, for `MOVED` of them on average, moved to another value (a near one, for numbers). The prior fades
    with evidence: after n results each decision is drawn so with probability b / (b + n), b being
    `HALF_TRUST`, and else uniformly: draws begin near the centers and end all over the space. How often a
    network is drawn from it at all, its `Trust` says. (C. Hvarfner et al., "piBO: Augmenting Acquisition
    Functions with User Beliefs for Bayesian Optimization", ICLR 2022, has a prior fade by the exponent b / n;
    N. Mallik et al., "PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning", NeurIPS
    2023, mix its samples with uniform ones by how well either does.)

    Attributes:
        centers: decisions (path -> value) of networks, of which each draw takes one, all equally likely. What
            one leaves out is plain; none at all: the plain network is the only one.
        weights: pairs of a value and its weight by path, from which a decision is drawn in place of the
            centers' value.
        search: the name of the search whose best networks the centers are; None: they are of no search.

    Raises:
        ControllerError: the centers are no decisions, or the weights no pairs.
    """

    centers: tuple[Decisions, ...] = ()
    weights: Mapping[str, tuple[tuple[Value, float], ...]] = field(default_factory=dict)
    search: str | None = None

    def __post_init__(self) -> None:
        try:  # one form, read from JSON or not
            weights = {
                path: tuple((value, weight) for value, weight in of) for path, of in self.weights.items()
            }
            centers = tuple(map(dict, self.centers))
        except (TypeError, ValueError, AttributeError) as error:
            raise ControllerError(
                "Prior: expected centers such as [{'width': 64}] and weights such as {'width': [(64, 3)]}, "
                f"got {self.centers!r:.80} and {self.weights!r:.80}"
            ) from error
        object.__setattr__(self, "centers", centers)
        object.__setattr__(self, "weights", weights)

    def sample(self, space: Space, rng: Rng, evidence: int = 0) -> Architecture:
        """Returns a network that the prior expects to be good, and less and less so.

        Args:
            space: the space that the prior is of.
            rng: the generator of random numbers.
            evidence: the number of results that there are.
        """
        trust = HALF_TRUST / (HALF_TRUST + evidence)
        center = self.centers[int(rng.random() * len(self.centers))] if self.centers else {}
        moved = self._share_moved(space, center)

        def pick(path: str, hole: Hole) -> Value:
            if rng.random() >= trust:
                return hole.sample(rng)
            if path in self.weights:
                return _weighted(self.weights[path], rng)
            value = center.get(path, hole.plainest)
            return near(hole, value, rng) if rng.random() < moved else value

        return space.fill(pick)

    def _share_moved(self, space: Space, center: Decisions) -> float:
        """Returns the probability that a decision is moved, for the number of them that can be."""
        network = space.fill(lambda path, hole: center.get(path, hole.plainest))
        movable = [path for path, hole in network.holes.items() if hole.num_values != 1]
        return min(MOST_MOVED, MOVED / max(1, len(set(movable) - self.weights.keys())))


class Trust:
    """How often a network is drawn in a way, and not uniformly: as often as that turns out better.

    It is the share of the pairs of a result of either kind in which the one so drawn is at least as good (the
    Mann-Whitney statistic, over the first `COMPARED` results of each kind), where `EXPECTED_WINS` of
    `EXPECTED_PAIRS` more are taken to have been seen. A wrong prior is left after a few results.

    Args:
        origin: the word for networks that were drawn so (see `Draft`).
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._outcomes: dict[str, list[Outcome]] = {origin: [], "random": []}

    def learn(self, origin: str, outcome: Outcome) -> None:
        """Takes in how a network did; those of another origin than that and ``random`` say nothing."""
        outcomes = self._outcomes.get(origin)
        if outcomes is not None and len(outcomes) < COMPARED:
            outcomes.append(outcome)

    @property
    def share(self) -> float:
        """The probability with which the next network is to be drawn so."""
        drawn, uniform = self._outcomes[self._origin], self._outcomes["random"]
        wins, behind = 0, len(uniform)
        for index in ranking.order([*drawn, *uniform]):  # of equal ones, the one so drawn comes first
            if index < len(drawn):
                wins += behind
            else:
                behind -= 1
        return (EXPECTED_WINS + wins) / (EXPECTED_PAIRS + len(drawn) * len(uniform))


def prior_of(given: object, space: Space) -> Prior:
    """Returns a prior of a space from what a person gives for one.

    Args:
        given: a `Prior`; ``"plain"``, the plain network (`Space.plain`); an architecture or a list of
            architectures that are good; or, by path, a value or the weights of several values
            (``{"width": 64, "op": {"conv": 3, "pool": 1}}``). Decisions that are left out are the plain ones.
            The keys of weights may be texts that say the value in JSON, as they have to be in a JSON file.
        space: the space.

    Raises:
        ControllerError: it is none of these; a decision that the space does not have; a value that is none of
            its hole; or weights that are no numbers, below 0, or all 0.
    """
    if isinstance(given, Prior):
        centers: Sequence[object] = given.centers
        weights: Mapping[Any, Any] = {path: dict(pairs) for path, pairs in given.weights.items()}
        return Prior(_centers(centers, space), _weights(weights, space), given.search)
    if given == "plain":
        return Prior((space.plain().decisions,))
    if isinstance(given, Architecture):
        return Prior(_centers([given], space))
    if isinstance(given, Mapping):
        weights = {path: of for path, of in given.items() if isinstance(of, Mapping)}
        values = {path: value for path, value in given.items() if path not in weights}
        return Prior(_centers([values], space), _weights(weights, space))
    if isinstance(given, list | tuple) and given:
        return Prior(_centers(given, space))
    raise ControllerError(
        "prior: expected 'plain', an architecture or a list of them, or decisions (path -> a value, or "
        f"weights by value), got {given!r:.80}"
    )


def near(hole: Hole, value: Value, rng: Rng) -> Value:
    """Returns another value of a hole, a near one for numbers; the same only where there is no other.

    Of options that are numbers those next to it come first, each further one half as often; of all other
    options each is equally likely.

    Args:
        hole: the hole.
        value: the value to move from.
        rng: the generator of random numbers.
    """
    ladder = hole.numbers if isinstance(hole, Choice) else ()
    if len(ladder) < 2:
        return hole.mutate(value, rng)
    here = ladder.index(value)
    others = [(other, 2.0 ** -abs(i - here)) for i, other in enumerate(ladder) if i != here]
    return _weighted(others, rng)


def _weighted(pairs: Sequence[tuple[Value, float]], rng: Rng) -> Value:
    """Returns one of several values, as likely as its weight says."""
    place = rng.random() * sum(weight for _, weight in pairs)
    for value, weight in pairs:
        place -= weight
        if place < 0.0:
            return value
    return next(value for value, weight in reversed(pairs) if weight > 0.0)  # rounding


def _centers(given: Sequence[object], space: Space) -> tuple[Decisions, ...]:
    centers = []
    for one in given:
        decisions = one.decisions if isinstance(one, Architecture) else one
        if not isinstance(decisions, Mapping):
            raise ControllerError(
                f"prior: expected architectures or their decisions (path -> value), got {one!r:.80}"
            )
        centers.append({path: _value(_hole(path, space), path, of) for path, of in decisions.items()})
    return tuple(centers)


def _weights(given: Mapping[Any, Any], space: Space) -> dict[str, tuple[tuple[Value, float], ...]]:
    weights = {}
    for path, by_value in given.items():
        hole = _hole(path, space)
        pairs = tuple((_value(hole, path, value, text=True), by_value[value]) for value in by_value)
        for value, weight in pairs:
            if not is_number(weight) or not math.isfinite(weight) or weight < 0:
                raise ControllerError(
                    f"prior: decision {path!r}: the weight of {value!r}: expected a number from 0, "
                    f"got {weight!r:.80}"
                )
        if not any(weight for _, weight in pairs):
            raise ControllerError(
                f"prior: decision {path!r}: expected a weight above 0 for one value at least, "
                f"got {dict(by_value)!r:.80}"
            )
        weights[path] = pairs
    return weights


def _hole(path: object, space: Space) -> Hole:
    known = space.holes()
    if not isinstance(path, str) or path not in known:
        there = ", ".join(list(known)[:20]) or "none"
        raise ControllerError(
            f"prior: the space has no decision {path!r:.200}{nearest(path, known)} (there are: {there:.400})"
        )
    return known[path]


def _value(hole: Hole, path: str, came: Any, *, text: bool = False) -> Value:
    """Returns a value of a hole; from its JSON, too, where only texts can stand.

    Raises:
        ControllerError: it is none.
    """
    try:
        return hole.coerce(came)
    except ValueError:
        if text and isinstance(came, str):
            try:
                read = json.loads(came)
                return _value(hole, path, read) if is_plain(read) else hole.coerce(came)
            except ValueError:
                pass
        raise ControllerError(f"prior: {DecisionError(path, hole.expected, came)}") from None
