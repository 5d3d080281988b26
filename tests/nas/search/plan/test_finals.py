"""The finals: whatever the budget and the fidelity, the best networks are trained to their end in time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from mortal_workers import Killed, Mortal, curves

from nas.search.search import Search
from nas.store.store import Store
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
