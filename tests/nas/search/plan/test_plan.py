"""The plan of a search without a controller: what it chooses by the budget, and that it is chosen once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from mortal_workers import Killed, Mortal, curves
from stored import trials

from controllers import RandomSearch, maximize
from controllers.fidelity import Stages
from controllers.inherited_first import InheritedFirst
from controllers.planner import Planner
from nas.description import Budget
from nas.ranking import Ranking
from nas.records import PlanChoice
from nas.search.flights import Flight
from nas.search.plan.lengths import lengths
from nas.search.plan.plan import Standing
from nas.search.search import Search
from nas.store.store import Store
from search_spaces import Space
from search_spaces.catalog import mlp
from workers.problems import load
from workers.tabular import Simulated

CURVES = curves()


def make(tmp_path: Path, executor: Simulated, controller: str = "auto", **options: Any) -> Search:
    chosen: dict[str, Any] = {"store": tmp_path / "store.db", "name": "mine"} | options
    return Search(CURVES.space, CURVES, controller, executor=executor, **chosen)


def choices(search: Search) -> list[PlanChoice]:
    with Store(search.store) as store:  # type: ignore[arg-type]
        return store.choices(store.search(search.name).id)


def test_a_number_of_trials_says_who_proposes_and_the_plain_network_is_first(tmp_path: Path) -> None:
    for count, name in ((4, "evolution"), (30, "predictor")):
        search = make(tmp_path, Simulated(2), trials=count, name=f"{count}")
        board = search.run()
        assert [(one.part, one.value["name"]) for one in choices(search)] == [("controller", name)]
        assert trials(search)[0].origin == "plain"
        assert len(board) == count
        assert set(board.status) == {"complete"}


@pytest.mark.parametrize(
    ("seconds", "first", "parts"),
    [
        (30, 27, ["epochs", "controller"]),  # an epoch of the plain network takes two seconds
        (600, 3, ["epochs", "controller", "finals"]),
        pytest.param(4500, 27, ["epochs", "controller"], marks=pytest.mark.slow),
    ],
)
def test_a_time_says_how_long_trials_train(
    tmp_path: Path, seconds: int, first: int, parts: list[str]
) -> None:
    executor = Simulated(2)
    search = make(tmp_path, executor, seconds=seconds, epochs=27)
    search.run()
    made = choices(search)
    assert [one.part for one in made][: len(parts)] == parts
    assert (made[0].value["epochs"], made[0].value["first_pause"]) == (27, first)
    # nothing but the plain network had begun before
    before = [trial for trial in trials(search) if trial.asked_step < made[0].step]
    assert [trial.origin for trial in before] == ["plain"]


@pytest.mark.parametrize("workers", [1, 4])
def test_where_there_is_time_for_the_plain_network_only_it_gets_the_epochs_that_fit(workers: int) -> None:
    space = Space({"model": mlp(), "recipe": {"schedule": "wsd", "epochs": 12}})
    planner = Planner(RandomSearch(space, maximize("accuracy")), Stages())
    flight = Flight.of(planner.insert(space.plain(), "plain"), 0).after(1, 5.0, {}).after(2, 1.0, {})
    standing = Standing(0.0, 7.0, workers, (), {0: flight}, Ranking(), planner, True)
    value, reason = lengths(flight, Budget(), standing)
    assert value["epochs"] == 2 + 6  # one takes 1.15 s with its validation
    assert "8 epochs in place of 12" in reason


@pytest.mark.parametrize(
    ("seconds", "pauses", "epochs"),
    [(300, 1, 17), (1200, 4, 36), (2000, 12, 36), (6000, 12, 108), (60_000, 12, 324), (6e6, 12, 324)],
)
def test_the_more_time_there_is_the_longer_networks_are_looked_at_and_the_best_are_trained(
    seconds: float, pauses: int, epochs: int
) -> None:
    space = Space({"model": mlp(), "recipe": {"schedule": "wsd", "epochs": 12}})
    planner = Planner(RandomSearch(space, maximize("accuracy")), Stages())
    flight = Flight.of(planner.insert(space.plain(), "plain"), 0).after(1, 5.0, {}).after(2, 1.0, {})
    standing = Standing(0.0, seconds, 1, (), {0: flight}, Ranking(), planner, True)
    value, _ = lengths(flight, Budget(), standing)
    assert (value["first_pause"], value["epochs"]) == (pauses, epochs)


@pytest.mark.parametrize(("workers", "epochs"), [(1, 36), (8, 324), (64, 12)])
def test_with_many_workers_a_training_takes_no_more_than_a_part_of_the_time(
    workers: int, epochs: int
) -> None:
    space = Space({"model": mlp(), "recipe": {"schedule": "wsd", "epochs": 12}})
    planner = Planner(RandomSearch(space, maximize("accuracy")), Stages())
    flight = Flight.of(planner.insert(space.plain(), "plain"), 0).after(1, 5.0, {}).after(2, 1.0, {})
    seconds = 2000.0 if workers < 64 else 150.0
    standing = Standing(0.0, seconds, workers, (), {0: flight}, Ranking(), planner, True)
    value, _ = lengths(flight, Budget(), standing)
    assert value["epochs"] == epochs
    assert value["epochs"] * 1.15 <= max(0.3 * seconds, 12 * 1.15)


@pytest.mark.parametrize(("seconds", "first"), [(300, 1), (60_000, 12)])
def test_with_shared_weights_what_is_trained_has_the_epochs_of_its_recipe_where_there_is_time_for_a_bank(
    seconds: float, first: int
) -> None:
    space = Space({"model": mlp(), "recipe": {"schedule": "wsd", "epochs": 12}})
    planner = Planner(RandomSearch(space, maximize("accuracy")), InheritedFirst(Stages(), 12))
    flight = Flight.of(planner.insert(space.plain(), "plain"), 0).after(1, 5.0, {}).after(2, 1.0, {})
    standing = Standing(0.0, seconds, 1, (), {0: flight}, Ranking(), planner, True)
    value, _ = lengths(flight, Budget(), standing)
    assert value["first_pause"] == first
    assert seconds == 300 or value["epochs"] == 12


def test_where_there_is_time_for_as_many_networks_as_are_asked_for_none_pauses_and_they_train_longer() -> (
    None
):
    space = Space({"model": mlp(), "recipe": {"schedule": "wsd", "epochs": 12}})
    planner = Planner(RandomSearch(space, maximize("accuracy")), Stages())
    flight = Flight.of(planner.insert(space.plain(), "plain"), 0).after(1, 5.0, {}).after(2, 1.0, {})
    standing = Standing(0.0, 1200.0, 1, (), {0: flight}, Ranking(), planner, True)
    without, _ = lengths(flight, Budget(), standing)
    assert without["first_pause"] < 12 <= without["epochs"] <= 36
    value, _ = lengths(flight, Budget(trials=10), standing)
    assert value["first_pause"] == value["epochs"] > 12
    assert value["candidates"] == 10


@pytest.mark.parametrize(("seconds", "first"), [(300, "paused"), (1200, "complete")])
def test_it_ends_in_time_with_a_network_trained_to_its_end_that_is_no_worse_than_plain(
    tmp_path: Path, seconds: int, first: str
) -> None:
    executor = Simulated(3)
    search = make(tmp_path, executor, seconds=seconds, epochs=27)
    board = search.run()
    assert executor.clock() <= seconds
    plain = board.set_index("number").loc[0]
    best = board.iloc[0]
    # where its end would take more than 3 % of the time, the plain network pauses like all others
    assert (plain.status, best.status, best.epochs) == (first, "complete", 27)
    assert best.accuracy >= plain.accuracy


def test_killed_at_any_moment_what_was_chosen_is_read_and_not_chosen_again(tmp_path: Path) -> None:
    rng, kills = random.Random(5), 0
    search = make(tmp_path, Simulated(2), seconds=400, epochs=27)
    before: list[PlanChoice] = []
    while True:
        search.executor = Mortal(2, rng.randrange(1, 80))
        try:
            board = search.run(resume=kills > 0)
            break
        except Killed:
            kills += 1
            now = choices(search)
            assert now[: len(before)] == before
            before = now
    assert kills >= 3
    assert (board.iloc[0].status, board.iloc[0].epochs) == ("complete", 27)
    assert [one.part for one in choices(search)].count("epochs") == 1
    assert [one.part for one in choices(search)].count("controller") == 1


def test_resumed_by_its_name_a_search_goes_on_by_its_plan(tmp_path: Path) -> None:
    search = Search(
        mlp(),
        load("digits"),
        executor="inline",
        store=tmp_path / "store.db",
        controller="auto",
        trials=2,
        epochs=1,
    )
    search.run()
    again = Search.from_store(tmp_path / "store.db", executor="inline").extend(trials=1)
    assert again.description.controller == "auto"
    assert len(again.run(resume=True)) == 3
    assert [one.part for one in choices(search)] == ["controller"]


def test_what_is_named_by_hand_stands(tmp_path: Path) -> None:
    search = make(tmp_path, Simulated(2), "random", seconds=300, epochs=27, fidelity="auto")
    search.run()
    assert "controller" not in [one.part for one in choices(search)]
    assert search.description.controller == "random"
    whole = make(tmp_path, Simulated(2), seconds=300, epochs=27, fidelity="full", name="whole")
    board = whole.run()
    assert [one.part for one in choices(whole)] == ["controller"]
    assert "paused" not in set(board.status)
