"""A trial whose best training is a repeat is read with the results of that, wherever it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from controllers.objectives import at_most, maximize, minimize
from nas.records import Rerun, Trial
from nas.store.store import Store


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url, create=True) as opened:
        yield opened


def trial(number: int, accuracy: float, **more: Any) -> Trial:
    values: dict[str, Any] = {"metrics": {"accuracy": accuracy, "size": 1}, "epochs": 3} | more
    return Trial(number, f"{number:016x}", {}, "complete", score=accuracy, seconds=1.0, **values)


def again(number: int, seed: int, accuracy: float, epochs: int = 3) -> Rerun:
    metrics, tests = {"accuracy": accuracy}, {"accuracy": accuracy - 0.1}
    return Rerun(number, seed, epochs, False, None, metrics, tests, 2.0, {"device": "cpu"})


def searched(store: Store, name: str = "one", **more: Any) -> int:
    """Three networks; of the last one the weights of its second repeat are kept, of the first its own."""
    described = {"objectives": [asdict(maximize("accuracy"))], "limits": [asdict(at_most("size", 9))]} | more
    search = store.create_search(name, described).id
    with store.writing(search) as writing:
        for n, accuracy in enumerate((0.9, 0.8, 0.7)):
            writing.add(trial(n, accuracy))
        for seed, accuracy in ((11, 0.6), (12, 0.95)):
            writing.rerun(again(2, seed, accuracy))
        writing.rerun(again(2, 12, 0.1, epochs=9))  # no repeat: it is longer
        writing.rerun(again(0, 11, 0.99))  # its weights are not kept
        writing.keep_weights(0, b"own")
        writing.keep_weights(2, b"again", 2, 12)
    return search


def test_a_trial_has_the_results_of_the_training_whose_weights_are_kept(store: Store) -> None:
    search = searched(store)
    best, *others = store.judged(search)
    assert [one.trial.number for one in others] == [0, 1]
    assert [one.trial.training for one in others] == [0, 0]
    found = best.trial
    assert (found.number, found.training, found.score, found.seconds, found.ran) == (
        2, 2, 0.95, 2.0, {"device": "cpu"}
    )  # fmt: skip
    assert found.metrics == {"accuracy": 0.95, "size": 1}, "what is known before any training stays"
    assert found.test_metrics == {"accuracy": pytest.approx(0.85)}
    assert best.outcome.scores == (0.95,)
    assert store.weights(search, 2) == b"again"
    assert store.ranked(search, 1) == [found]
    assert store.find_trial(found.architecture_id)[1] == found
    columns = store.metrics(search, ["accuracy"])
    assert columns.metrics["accuracy"].tolist() == [0.9, 0.8, 0.95]


def test_controllers_and_frames_are_told_how_the_trial_itself_did(store: Store) -> None:
    search = searched(store)
    assert [one.metrics["accuracy"] for one in store.trials(search)] == [0.9, 0.8, 0.7]
    assert store.frame(search)["accuracy"].tolist() == [0.9, 0.8, 0.7]


def test_estimates_are_of_the_training_whose_weights_are_kept(store: Store) -> None:
    search = searched(store, validation_examples=400)
    by_number = {one.trial.number: one for one in store.judged(search)}
    first, last = by_number[0].estimate, by_number[2].estimate
    assert first is not None
    assert last is not None
    assert (first.trainings, last.trainings) == (2, 3)
    mean = (0.7 + 0.6 + 0.95) / 3
    assert mean < last.value < 0.95, "the best of three was lucky, too"
    assert first.value > 0.9, "its own weights are worth more where another training did better"


def test_weights_that_are_dropped_take_their_training_along(store: Store) -> None:
    search = searched(store)
    with store.writing(search) as writing:
        writing.drop_weights(2)
    assert [one.trial.training for one in store.judged(search)] == [0, 0, 0]
    assert [one.number for one in store.ranked(search, 1)] == [0]
    with store.writing(search) as writing:
        writing.keep_weights(2, b"its own")
    assert store.find_trial(f"{2:016x}")[1].training == 0


def test_a_training_whose_weights_are_kept_is_not_replaced_by_another_of_its_seed(store: Store) -> None:
    search = searched(store)
    store.reruns.keep(search, again(2, 12, 0.3))
    store.reruns.keep(search, again(2, 11, 0.3))
    runs = {run.seed: run.metrics["accuracy"] for run in store.reruns.of_search(search)[2] if run.epochs == 3}
    assert runs == {11: 0.3, 12: 0.95}


def test_a_search_of_several_objectives_ranks_by_the_trainings_that_are_kept(store: Store) -> None:
    both = [asdict(maximize("accuracy")), asdict(minimize("size"))]
    search = searched(store, objectives=both)
    assert [one.number for one in store.ranked(search, 1)] == [2]
    assert [one.number for one in store.ranked(search)] == [2, 0, 1]
