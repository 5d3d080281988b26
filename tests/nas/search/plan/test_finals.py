"""The finals: whatever the budget and the fidelity, the best networks are trained to their end in time."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mortal_workers import Killed, Mortal, curves

from controllers import RandomSearch, maximize
from controllers.fidelity import Stages
from controllers.planner import Planner
from nas.description import Budget
from nas.ranking import Ranking
from nas.search.flights import Flight
from nas.search.plan.budget_end import BudgetEnd
from nas.search.plan.finals import Finalist, Finals
from nas.search.plan.plan import Standing
from nas.search.search import Search
from nas.store.store import Store
from search_spaces import Space
from search_spaces.catalog import mlp
from workers.tabular import Simulated

CURVES = curves()


def make(tmp_path: Path, executor: Simulated, **options: Any) -> Search:
    chosen: dict[str, Any] = {"store": tmp_path / "store.db", "epochs": 27, "name": "mine"} | options
    return Search(CURVES.space, CURVES, "random", executor=executor, **chosen)


def choices(search: Search) -> list[Any]:
    with Store(search.store) as store:  # type: ignore[arg-type]
        return [one.value for one in store.choices(store.search(search.name).id)]


@pytest.mark.parametrize(
    ("fidelity", "workers", "seconds"),
    [("asha", 1, 300), ("asha", 4, 200), ("hyperband", 1, 300), ("hyperband", 4, 200)],
)
def test_a_search_with_pauses_ends_in_time_with_its_best_network_trained_to_its_end(
    tmp_path: Path, fidelity: str, workers: int, seconds: int
) -> None:
    executor = Simulated(workers)
    search = make(tmp_path, executor, fidelity=fidelity, seconds=seconds)
    board = search.run()
    best = board.iloc[0]
    assert (best.status, best.epochs) == ("complete", 27)
    assert executor.clock() <= seconds
    begun, *_ = choices(search)
    assert begun["budget"] == seconds
    if fidelity == "asha":  # the other one may have spent its time on a network that never pauses
        ends, paused = board[board.status == "complete"], board[board.status == "paused"]
        assert ends.accuracy.max() >= paused.accuracy.max()


def test_the_time_that_is_left_goes_to_the_ends_of_more_of_them(tmp_path: Path) -> None:
    executor = Simulated(2)
    search = make(tmp_path, executor, fidelity="asha", seconds=400)
    board = search.run()
    begun, *ends = choices(search)
    assert begun["finalists"] == 2
    assert sum("number" in one for one in ends) >= 2
    assert board.phase.dtype == "str"
    assert set(board.number[board.phase == "finals"]) == {one["number"] for one in ends if "number" in one}
    assert set(board.phase) == {"search", "finals"}
    assert executor.clock() > 0.9 * 400
    assert search.reason.startswith("no trial that has paused comes to its end")


def test_without_pauses_or_without_a_time_nothing_is_chosen(tmp_path: Path) -> None:
    for name, options in {"whole": {"seconds": 200}, "counted": {"fidelity": "asha", "trials": 20}}.items():
        search = make(tmp_path, Simulated(1), name=name, **options)
        assert search.run().phase.isna().all()
        assert choices(search) == []


def test_killed_at_any_moment_and_resumed_its_finals_go_on(tmp_path: Path) -> None:
    rng, kills = random.Random(3), 0
    search = make(tmp_path, Simulated(2), fidelity="asha", seconds=300)
    while True:
        search.executor = Mortal(2, rng.randrange(40, 90))
        try:
            board = search.run(resume=kills > 0)
            break
        except Killed:
            kills += 1
    assert kills >= 3
    assert (board.iloc[0].status, board.iloc[0].epochs) == ("complete", 27)
    made = choices(search)
    assert sum("finalists" in one for one in made) == 1
    numbers = [one["number"] for one in made if "number" in one]
    assert len(numbers) == len(set(numbers)), "a choice is made once"


def test_more_time_takes_a_search_out_of_its_finals(tmp_path: Path) -> None:
    search = make(tmp_path, Simulated(2), fidelity="asha", seconds=200)
    first = search.run()
    search.executor = Simulated(2)
    board = search.extend(seconds=400).run(resume=True)
    assert len(board) > len(first) + 10
    begun = [one["budget"] for one in choices(search) if "finalists" in one]
    assert begun == [200, search.description.budget.seconds]
    assert (board.iloc[0].status, board.iloc[0].epochs) == ("complete", 27)


def planner(schedule: str = "wsd") -> Planner:
    """A plan has chosen ten epochs."""
    space = Space({"model": mlp(), "recipe": {"schedule": schedule, "epochs": 10}})
    stages = Stages()
    stages.decide(10, 1, 9)
    return Planner(RandomSearch(space, maximize("accuracy"), seed=0), stages)


def paused(asked: Planner, count: int, epochs: int) -> dict[int, Flight]:
    """Flights that have paused after so many epochs of a second each, each better than the one before."""
    found = {}
    for number in range(count):
        flight = Flight.of(asked.ask(), number)
        for epoch in range(1, epochs + 1):
            flight = flight.after(epoch, 1.0, {})
        values = {"accuracy": 0.5 + number / 100}
        trial = replace(
            flight.trial, status="paused", epochs=epochs, metrics=values, score=values["accuracy"]
        )
        found[number] = flight.with_trial(trial)
    return found


def ends(budget: Budget, workers: int = 1, schedule: str = "wsd") -> list[tuple[int, int]]:
    """Whom the finals send to which ends that have begun 40 seconds before the end of a budget of 100."""
    asked = planner(schedule)
    flights = paused(asked, 4, 3)
    part = Finals(budget, BudgetEnd(budget))
    part.act({"finalists": 2, "budget": part.budget}, asked)
    found = []
    for _ in range(2):
        left = 40.0 - sum(1.495 * (end - 3) for _, end in found) / workers
        ranking = Ranking((maximize("accuracy"),))
        standing = Standing(100.0 - left, left, workers, (), flights, ranking, asked, True)
        chosen = part.choose(standing)
        assert chosen is not None
        part.act(chosen[0], asked)
        taken = part.take()
        assert taken is not None
        found.append(taken)
        del flights[taken[0]]
    return found


@pytest.mark.parametrize("late", [False, True])
def test_the_finals_begin_at_once_where_no_new_network_comes_to_its_end_in_time(late: bool) -> None:
    asked, budget = planner(), Budget(seconds=1000)
    flights, ranking = paused(asked, 4, 3), Ranking((maximize("accuracy"),))
    part = Finals(budget, BudgetEnd(budget))
    for elapsed in (100.0, 101.0):  # it looks no more often than it has to, but for this
        late_now = late and elapsed > 100.0
        standing = Standing(elapsed, 900.0, 1, (), flights, ranking, asked, True, late=late_now)
        chosen = part.choose(standing)
    assert (chosen is not None) == late
    assert chosen is None or chosen[0]["finalists"] == 2


def test_where_the_plan_chose_the_epochs_finalists_share_the_time_of_the_finals() -> None:
    # 20 seconds each, or 40; an epoch takes one second, 1.15 with its validation, 1.3 times that to be sure
    assert ends(Budget(seconds=100)) == [(3, 3 + 13), (2, 3 + 13)]
    assert ends(Budget(seconds=100), workers=2)[0] == (3, 3 + 26)


def test_epochs_that_were_named_stand_in_the_finals_too() -> None:
    assert ends(Budget(seconds=100, epochs=10)) == [(3, 10), (2, 10)]


def test_what_has_one_end_only_goes_there() -> None:
    assert ends(Budget(seconds=100), schedule="onecycle") == [(3, 10), (2, 10)]


def test_no_finalist_trains_for_more_than_four_times_what_is_planned() -> None:
    flight = next(iter(paused(planner(), 1, 3).values()))
    one = Finalist(flight, soonest=4, planned=10, latest=40, epoch=1.3)
    assert [one.end_within(seconds) for seconds in (0.5, 1.3, 13.0, 1000.0)] == [None, 4, 13, 40]
