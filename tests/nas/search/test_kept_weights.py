"""The weights that a search keeps: of its best networks, and of each of them those of its best training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nas import Search
from nas.records import Rerun, Trial
from nas.search.history import TrialHistory
from nas.search.kept_weights import KeptWeights
from nas.search.progress import Progress
from nas.search.reruns import rerun_seed
from nas.store.store import Store
from search_spaces.errors import ExecutorError
from workers.job import HeldWeights


class Lost:
    """Weights that are gone with their node."""

    def read(self) -> bytes:
        raise ExecutorError("gone with its node")


class Driver:
    """Ends trials and repeats as the loop of a search does, of which the weights of one trial are kept."""

    def __init__(self, search: Search) -> None:
        self.description = search.description
        self.store = Store("sqlite://", create=True)
        self.search = self.store.create_search("one", self.description.to_dict()).id
        self.history = TrialHistory(self.description, Progress("one", self.description.budget, "accuracy"))
        self.weights = KeptWeights(self.description, self.store, self.search, self.history)

    def trial(self, number: int, accuracy: float) -> None:
        metrics = {"accuracy": accuracy}
        trial = Trial(
            number, f"{number:016x}", {}, "complete", score=accuracy, metrics=metrics, epochs=1, seconds=1.0
        )
        judged = self.history.ranking.judge(trial)
        self.history.count(judged)
        with self.store.writing(self.search) as writing:
            writing.add(trial)
            self.weights.keep(judged, HeldWeights(f"trial {number}".encode()), writing)

    def repeat(self, number: int, training: int, accuracy: float, weights: Any = None) -> None:
        seed = rerun_seed(self.description, f"{number:016x}", training - 1)
        rerun = Rerun(number, seed, 1, False, None, {"accuracy": accuracy}, {}, 1.0)
        self.history.reruns.setdefault(number, []).append(rerun)
        held = weights or HeldWeights(f"repeat {training} of {number}".encode())
        with self.store.writing(self.search) as writing:
            writing.rerun(rerun)
            self.weights.keep_repeat(rerun, training, held, writing)

    @property
    def kept(self) -> dict[int, str]:
        """What is in the store, and in memory, by trial."""
        numbers = self.store.kept_weights(self.search)
        assert self.weights.trials.keys() == numbers
        known = {number: one.trial for number, one in self.weights.trials.items()}
        stored = [one for one in self.store.trials(self.search) if one.number in numbers]
        found = self.store.of_kept_trainings(self.search, stored)
        assert {one.number: one for one in found} == known, "a driver that goes on reads what this one knows"
        return {number: (self.store.weights(self.search, number) or b"").decode() for number in numbers}


@pytest.fixture
def driver(make: Callable[..., Search]) -> Iterator[Driver]:
    made = Driver(make("random", trials=9, keep_weights=1))
    yield made
    made.store.close()


def test_a_repeat_that_ended_better_takes_the_place_of_its_trial_and_no_other_does(driver: Driver) -> None:
    driver.trial(0, 0.8)
    driver.repeat(0, 1, 0.7)
    assert driver.kept == {0: "trial 0"}
    driver.repeat(0, 2, 0.9)
    assert driver.kept == {0: "repeat 2 of 0"}
    driver.repeat(0, 3, 0.85)
    assert driver.kept == {0: "repeat 2 of 0"}
    driver.repeat(0, 4, 0.95)
    assert driver.kept == {0: "repeat 4 of 0"}
    assert driver.weights.trials[0].trial.training == 4


def test_a_network_whose_weights_were_not_kept_is_by_a_repeat_that_makes_it_the_best(driver: Driver) -> None:
    driver.trial(0, 0.8)
    driver.trial(1, 0.7)
    driver.repeat(1, 1, 0.75)
    assert driver.kept == {0: "trial 0"}
    driver.repeat(1, 2, 0.95)
    assert driver.kept == {1: "repeat 2 of 1"}
    driver.trial(2, 0.99)
    assert driver.kept == {2: "trial 2"}


def test_weights_of_a_repeat_that_are_lost_leave_those_of_the_trial(driver: Driver) -> None:
    driver.trial(0, 0.8)
    driver.repeat(0, 1, 0.9, Lost())
    assert driver.kept == {0: "trial 0"}
    assert driver.weights.messages == [f"{0:016x}: gone with its node"]


def test_weights_are_kept_in_the_order_in_which_networks_rank(driver: Driver) -> None:
    for number in range(6):
        driver.trial(number, 0.90 - number / 100)
    assert driver.kept == {0: "trial 0"}
    for training in range(1, 5):
        driver.repeat(0, training, 0.5)
    assert driver.store.ranked(driver.search, 1)[0].number == 1, "it was lucky"
    driver.trial(6, 0.895)
    assert driver.kept == {6: "trial 6"}
    assert driver.store.ranked(driver.search, 1)[0].number == 6
