"""What the peers train with: the same training code as our workers', within the time that a method has."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.real_search.problems import main_score
from search_spaces.errors import NasError
from workers.job import TrialStopped
from workers.problems import Problem
from workers.recipe import Recipe
from workers.training.criterion import adapt
from workers.training.metrics import evaluate
from workers.training.standardisation import target_scales
from workers.training.training import train

ENOUGH = 60
"""So many trainings of the plain network are to fit into the time before longer ones are worth it."""

LONGEST = 4
"""How many times the epochs of its recipe a trial of a peer has at the most; ours has three times."""


@dataclass(frozen=True)
class Handed:
    """What a method hands over at the end of its time.

    Attributes:
        test: the score of the network on the test split, at most 1; None: there is no network.
        validation: its score on the validation split, by which it was chosen.
        whole: whether it was trained to the end of its schedule.
        finished: the number of trials that were.
        begun: the number of trials that were begun.
        took: the seconds that the method took.
        network: the network in words.
        note: what else is to be said.
    """

    test: float | None
    validation: float | None
    whole: bool
    finished: int
    begun: int
    took: float
    network: str = ""
    note: str = ""


class TimeIsOver(TrialStopped):
    """The time of a method is over."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A network that may be handed over; without its test score where that is still to be found."""

    validation: float
    test: float | None
    words: str
    network: nn.Module | None = None


class Trainer:
    """Trains networks within a time, and keeps the best by validation of those that came to their end.

    The clock stands still while a network is scored on the test split: a method never asks for that.

    Args:
        problem: the problem.
        seconds: the time, from now on.
        seed: the seed of every training.

    Attributes:
        finished: the number of trials that were trained to their end.
        begun: the number of trials that were begun.
    """

    def __init__(self, problem: Problem, seconds: float, seed: int) -> None:
        self.problem, self.seconds, self.seed = problem, seconds, seed
        self.finished = self.begun = 0
        self._score = main_score(problem)
        self._best: Kept | None = None
        self._unfinished: Kept | None = None
        self._began = time.perf_counter()
        self._away = 0.0

    @property
    def elapsed(self) -> float:
        """The seconds that the method has taken so far."""
        return time.perf_counter() - self._began - self._away

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.seconds - self.elapsed

    @property
    def kept(self) -> Kept | None:
        """What would be handed over now."""
        return self._best or self._unfinished

    def check(self) -> None:
        """Ends what is going on once the time is over.

        Raises:
            TimeIsOver: it is.
        """
        if self.left <= 0:
            raise TimeIsOver

    def epoch_seconds(self, make: Callable[[], nn.Module], recipe: Recipe) -> float:
        """Returns what an epoch takes with its validation, by the second of two: a first one takes longer."""
        ends = []
        for _ in train(
            _built(make, self.seed), self.problem, recipe, seed=self.seed, epochs=2, check=self.check
        ):
            ends.append(self.elapsed)
        return ends[1] - ends[0]

    def values(
        self, make: Callable[[], nn.Module], recipe: Recipe, words: str = "", seed: int | None = None
    ) -> Iterator[float]:
        """Trains a network; yields its score on the validation split after each epoch of its recipe.

        Whoever asks may leave off after any. A training that fails ends it, too, short of its epochs.

        Args:
            make: builds the network.
            recipe: how to train it.
            words: the network in words.
            seed: the seed of this training; None: that of all.

        Raises:
            TimeIsOver: the time is over.
        """
        self.check()
        self.begun += 1
        seed = self.seed if seed is None else seed
        try:
            network = _built(make, seed)
            for report in train(network, self.problem, recipe, seed=seed, check=self.check):
                value = report.metrics[self._score]
                self._keep(network, value, words, whole=report.epoch == recipe.epochs)
                yield value
        except NasError:  # a network that cannot be built or trained is no result
            return

    def _keep(self, network: nn.Module, value: float, words: str, *, whole: bool) -> None:
        if whole:
            self.finished += 1
            if self._best is None or value > self._best.validation:
                self._best = Kept(value, self._test(network), words)
        elif self._best is None and (self._unfinished is None or value > self._unfinished.validation):
            self._unfinished = Kept(value, None, words, copy.deepcopy(network))

    def _test(self, network: nn.Module) -> float:
        began = time.perf_counter()
        signature = self.problem.signature
        metrics = evaluate(
            adapt(network, signature),
            network,
            self.problem.test,
            signature.tasks,
            scales=target_scales(network),
        )
        self._away += time.perf_counter() - began
        return metrics[self._score]

    def handed(self, note: str = "") -> Handed:
        """Returns what is handed over: the best that came to its end; where none did, the best of the others.

        Args:
            note: what else is to be said.
        """
        seconds, kept = self.elapsed, self.kept
        if kept is None:
            return Handed(None, None, False, self.finished, self.begun, seconds, note=note)
        test = kept.test if kept.network is None else self._test(kept.network)
        whole = self._best is not None
        return Handed(test, kept.validation, whole, self.finished, self.begun, seconds, kept.words, note)


def _built(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with initial weights of a seed; torch's own generator goes on as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def epochs_within(seconds: float, epoch: float, own: int) -> int:
    """Returns the epochs of a peer's trials: those of the recipe, longer where there is much time.

    So does who knows what an epoch takes: twice or four times as many where `ENOUGH` trainings of the plain
    network fit all the same, fewer where not even three fit.

    Args:
        seconds: the time.
        epoch: the seconds of an epoch of the plain network.
        own: the epochs of the recipe.
    """
    affordable = seconds / epoch
    if affordable < 3 * own:
        return max(1, int(affordable / 3))
    epochs = own
    while 2 * epochs <= LONGEST * own and affordable >= 2 * epochs * ENOUGH:
        epochs *= 2
    return epochs
