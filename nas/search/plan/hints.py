"""Which scores of untrained networks a controller may look at: those that are cheap beside a training."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from controllers.base import Controller
from controllers.planner import Planner, UndecidedController
from controllers.scores import SHARE
from nas.results.text import duration
from nas.search.hints import NetworkScores
from nas.search.plan.plan import Part, Standing
from search_spaces.architecture import Architecture

FEWEST = 8
"""The networks that there have to be scores of for each proposal: fewer tell a controller next to nothing."""

TIMED = 3
"""The networks by which it is measured how long a score takes."""


class HintsPart(Part):
    """Hands the controller a function that scores networks, with its price.

    The price is what was measured: the seconds of a score beside those of the trials so far, as many times as
    there are workers, for while the driver scores a network each of them may wait for it. So it is chosen
    when the first trial has come to an end or a pause. Scores are taken in their order, as long as what the
    controller may spend (`controllers.scores.SHARE`) pays them all for `FEWEST` networks for each proposal.

    Args:
        scores: the scores that there are; None: none are looked at.
    """

    name = "hints"

    def __init__(self, scores: NetworkScores | None) -> None:
        self._scores = scores
        self._chosen = scores is None

    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        controller = standing.planner.controller
        if self._chosen or isinstance(controller, UndecidedController) or not _looks_at_scores(controller):
            return None
        assert self._scores is not None
        trials = [judged.trial for judged in standing.ended.values()]
        trials += [flight.trial for flight in standing.paused.values()]
        took = [trial.seconds for trial in trials if trial.seconds and trial.reason is None]
        if not took:
            return None
        return affordable(self._scores, controller, median(took), standing.workers)

    def act(self, value: Any, planner: Planner) -> None:
        self._chosen = True
        if self._scores is not None and value["scores"]:
            scores = replace(self._scores, names=tuple(value["scores"]), price=value["price"])
            planner.controller.use_scores(scores)


def affordable(
    scores: NetworkScores, controller: Controller, training: float, workers: int
) -> tuple[dict[str, Any], str]:
    """Returns the names of the scores that a controller can look at, with their price, and why.

    Args:
        scores: the scores that there are.
        controller: who looks at them; networks of its space are scored to see how long that takes.
        training: the seconds of a training.
        workers: the number of trainings at once.
    """
    rng = random.Random(f"hints {controller.seed}")
    networks = [controller.space.sample(rng) for _ in range(TIMED)]
    seconds = {}
    for group in _groups(scores.names):
        seconds[group] = _seconds(replace(scores, names=group), networks)
        chosen, price = chosen_of(seconds, training, workers)
        if group[0] not in chosen:
            break
    takes = 1000 * sum(seconds[group] for group in seconds if not chosen or group[0] in chosen)
    said = f"{', '.join(chosen or scores.names[:1])} of a network take {takes:.3g} ms"
    told = f"{said}, a training takes {duration(training)}"
    value = {"scores": chosen, "price": price}
    if not chosen:
        return value, f"{told}: no network is scored before it is trained"
    return value, f"{told}: up to {SHARE / price:,.0f} networks are scored for each proposal"


def chosen_of(
    seconds: Mapping[tuple[str, ...], float], training: float, workers: int
) -> tuple[list[str], float]:
    """Returns the names of the scores that are cheap enough, and the price of all of them, in evaluations.

    Args:
        seconds: the seconds of the scores of a network by their names, those together that are parts of one.
        training: the seconds of a training.
        workers: the number of trainings at once.
    """
    chosen: list[str] = []
    price = 0.0
    for names, took in seconds.items():
        with_these = price + took * workers / training
        if with_these * FEWEST > SHARE * (1 + 1e-9):
            break
        chosen += names
        price = with_these
    return chosen, price


def _looks_at_scores(controller: Controller) -> bool:
    """Whether scores make a difference to a controller: it models them, or begins by them."""
    return controller.models_scores or controller.prior is None


def _groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns names of scores, those together that are parts of one."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    return [tuple(group) for group in groups.values()]


def _seconds(scores: NetworkScores, networks: Sequence[Architecture]) -> float:
    """Returns the seconds that the scores of a network take, those of others for the same networks done."""
    found = []
    for network in networks:
        began = time.perf_counter()
        scores(network)
        found.append(time.perf_counter() - began)
    return median(found)
