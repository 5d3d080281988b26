"""The store ranks networks by what they are worth: their trials, their reruns, the size of the split."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pytest

import nas
from controllers.objectives import at_most, maximize, minimize
from nas.estimates import LASTING
from nas.records import Rerun, Trial
from nas.results.leaderboard import entries
from nas.store.store import Store

EXAMPLES = 400


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url, create=True) as opened:
        yield opened


def described(objective: Any = None, **more: Any) -> dict[str, Any]:
    objective = objective or maximize("accuracy")
    return {
        "objectives": [asdict(objective)],
        "limits": [asdict(at_most("size", 9))],
        "first": [{}],
        "validation_examples": EXAMPLES,
    } | more


def write(
    store: Store, name: str, trials: list[Trial], reruns: list[Rerun], description: Mapping[str, Any]
) -> int:
    search = store.create_search(name, description)
    with store.writing(search.id) as writing:
        for trial in trials:
            writing.add(trial)
        for rerun in reruns:
            writing.rerun(rerun)
    return search.id


def trial(number: int, accuracy: float, origin: str = "random", **more: Any) -> Trial:
    values: dict[str, Any] = {"metrics": {"accuracy": accuracy, "size": 1}, "epochs": 3} | more
    return Trial(number, f"{number:016x}", {}, "complete", origin, score=accuracy, **values)


def again(number: int, seed: int, accuracy: float, **more: Any) -> Rerun:
    values: dict[str, Any] = {"epochs": 3, "all_data": False, "failure": None} | more
    return Rerun(number, seed, metrics={"accuracy": accuracy}, test_metrics={}, seconds=1.0, **values)


def order(store: Store, search: int, top: int | None = None) -> list[int]:
    return [one.number for one in store.ranked(search, top)]


def test_the_best_of_many_trainings_gives_way_to_what_is_better_on_average(store: Store) -> None:
    trials = [trial(n, 0.9 - n / 1000) for n in range(8)]
    search = write(store, "one", trials, [], described())
    assert order(store, search) == order(store, search, 8) == list(range(8))
    with store.writing(search) as writing:
        for seed in range(3):
            writing.rerun(again(0, seed, 0.85))
            writing.rerun(again(1, seed, 0.9))
    assert order(store, search)[:2] == order(store, search, 2) == [1, 2]
    assert order(store, search)[-1] == order(store, search, 8)[-1] == 0


def test_the_plain_network_comes_first_unless_another_is_estimated_above_it(store: Store) -> None:
    plain = trial(0, 0.9, "plain")
    others = [trial(n, 0.9025 - n / 200) for n in range(1, 12)]
    lucky = [plain, trial(12, 0.9025), *others]
    better = [plain, trial(12, 0.97), *others]
    for name, trials, first in (("lucky", lucky, 0), ("better", better, 12)):
        search = write(store, name, trials, [], described())
        assert order(store, search)[0] == order(store, search, 1)[0] == first


@pytest.mark.parametrize(
    "more", [{"epochs": 2}, {"all_data": True}, {"failure": "exception"}, {"ran": {"code": "mine.Net"}}]
)
def test_what_is_no_training_like_the_trial_s_own_does_not_count(store: Store, more: Any) -> None:
    trials = [trial(n, 0.9 - n / 1000) for n in range(8)]
    reruns = [again(0, seed, 0.1, **more) for seed in range(3)]
    search = write(store, "one", trials, reruns, described())
    assert order(store, search) == list(range(8))


def test_without_a_share_the_noise_is_that_of_the_repeats(store: Store) -> None:
    trials = [
        Trial(n, f"{n:016x}", {}, "complete", score=-1.0 - n, metrics={"rmse": 1.0 + n, "size": 1}, epochs=3)
        for n in range(6)
    ]
    description = described(minimize("rmse"), validation_examples=None)
    search = write(store, "one", trials, [], description)
    assert all(one.estimate is None for one in store.judged(search))
    with store.writing(search) as writing:
        for seed, rmse in enumerate((3.4, 3.6, 3.5, 3.5)):
            writing.rerun(Rerun(0, seed, 3, False, None, {"rmse": rmse}, {"rmse": 4.0}, 1.0))
    judged = store.judged(search)
    assert [one.trial.number for one in judged] == order(store, search, 9) == [0, 1, 2, 3, 4, 5]
    estimate = judged[0].estimate
    assert estimate is not None
    assert estimate.trainings == 5
    of_network = (-1.0 - 3.4 - 3.6 - 3.5 - 3.5) / 5  # the noise is small beside what networks differ by
    assert estimate.value == pytest.approx(of_network + LASTING * (-1.0 - of_network), abs=0.1)


@pytest.mark.parametrize("paused", [False, True])
def test_the_first_rows_are_those_that_come_first_when_all_are_ranked(store: Store, paused: bool) -> None:
    rng = random.Random(3)
    for round in range(12):
        trials = [
            trial(
                n,
                rng.choice([0.8, 0.85, 0.9, rng.random()]),
                "plain" if n == 0 else "random",
                metrics={"accuracy": 0.0, "size": rng.choice([1, 1, 1, 20]), "loss": rng.random()},
            )
            for n in range(rng.randrange(1, 30))
        ]
        trials = [
            Trial(**(vars(one) | {
                "metrics": {**one.metrics, "accuracy": one.score},
                "status": rng.choice(["complete", "complete", "paused" if paused else "complete", "failed"]),
            }))
            for one in trials
        ]  # fmt: skip
        reruns = [
            again(one.number, seed, rng.random())
            for one in trials
            for seed in range(rng.choice([0, 0, 0, 1, 3]))
        ]
        more = {"fidelity": {"name": "any"} if paused else None}
        more |= {"validation_examples": rng.choice([None, EXAMPLES])}
        search = write(store, f"{round}", trials, reruns, described(**more))
        with store.writing(search) as writing:
            for rerun in reruns[::2]:
                if rerun.seed == 0:
                    writing.keep_weights(rerun.number, b"", 1, 0)
        every = order(store, search)
        for top in (1, 2, 5, 40):
            assert order(store, search, top) == every[:top]
        best = store.judged(search)
        assert store.estimated(search, best) == best


def test_the_columns_of_a_leaderboard_say_what_networks_are_worth(tmp_path: Any, problem: Any) -> None:
    from torch import nn

    from search_spaces import Space, integer, layer, sequential

    space = Space(
        {
            "model": sequential(layer(nn.Linear, out_features=integer(1, 9)), layer(nn.ReLU)),
            "recipe": {"epochs": 1, "batch_size": 16},
        }
    )
    path = tmp_path / "s.db"
    search = nas.Search(space, problem, "random", executor="inline", store=path, trials=6, first=[{}])
    board = search.run()
    assert search.description.validation_examples == len(problem.validation)
    kinds = {"estimate": "float64", "low": "float64", "high": "float64", "gap": "float64"}
    assert {name: str(board[name].dtype) for name in [*kinds, "trainings"]} == kinds | {"trainings": "Int64"}
    assert str(board["training"].dtype) == "Int64"
    assert set(board["training"]) == {0}
    assert (board["low"] <= board["estimate"]).all()
    assert (board["estimate"] <= board["high"]).all()
    assert board["estimate"].is_monotonic_decreasing
    assert set(board["trainings"]) == {1}
    assert (board["gap"] - (board["test_accuracy"] - board["estimate"])).abs().max() < 1e-12
    plain = board[board["origin"] == "plain"].iloc[0]
    assert plain["estimate"] == plain["accuracy"]
    nas.retrain(path, plain["id"], problem=problem, executor="inline", seeds=2)
    row = next(row for row in entries(path) if row["id"] == plain["id"])
    assert row["trainings"] == 3
    mean = nas.leaderboard(path, over_seeds=True).set_index("id").loc[plain["id"], "accuracy"]
    assert min(mean, plain["accuracy"]) < row["estimate"] < max(mean, plain["accuracy"])
