"""Budgets of hours: they end on the clock by what the workers hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mortal_workers import curves
from stored import trials

import nas
from nas.search.search import Search
from search_spaces.errors import SearchError
from workers.inline import Inline
from workers.tabular import Simulated

CURVES = curves()


def make(tmp_path: Path, executor: Simulated, **options: Any) -> Search:
    chosen: dict[str, Any] = {"store": tmp_path / "store.db", "name": "mine", "epochs": 27} | options
    return Search(CURVES.space, CURVES, executor=executor, **chosen)


class Growing(Simulated):
    """Workers that become more after a time, and hold a GPU each."""

    def __init__(self, workers: int, after: float, more: int) -> None:
        super().__init__(workers)
        self._after, self._more = after, more

    @property
    def parallelism(self) -> int:
        if self.clock() >= self._after:
            self.workers = self._more
        return self.workers

    @property
    def holds(self) -> Mapping[str, float]:
        return {"cpus": 2 * self.parallelism, "gpus": self.parallelism}


@pytest.mark.parametrize("workers", [1, 4])
def test_hours_of_cores_end_the_sooner_the_more_workers_there_are(tmp_path: Path, workers: int) -> None:
    executor = Simulated(workers)
    search = make(tmp_path, executor, cpu_hours=0.5)
    board = search.run()
    assert executor.clock() <= 1800 / workers
    assert executor.clock() > 0.9 * 1800 / workers
    assert search.reason in ("0.5 cpu hours are over", "the best networks are trained to their end") or (
        "comes to its end" in search.reason
    )
    assert (board.iloc[0].status, board.iloc[0].epochs) == ("complete", 27)
    assert list(nas.choices(search.store).part)[:3] == ["end", "epochs", "controller"]


def test_where_workers_join_what_was_spent_counts_and_the_end_comes_sooner(tmp_path: Path) -> None:
    executor = Growing(1, 900.0, 4)
    search = make(tmp_path, executor, gpu_hours=0.5)
    search.run()
    # a quarter of an hour of one, then what is left of the half for four
    assert executor.clock() == pytest.approx(900 + 900 / 4, rel=0.05)
    made = nas.choices(search.store)
    first, second = made.reason[made.part == "end"]
    assert first == "the workers hold gpus=1: the budget lasts for 30 min 0 s"
    assert second.startswith("the workers hold gpus=4: the budget lasts for 3 min 4")


def test_a_search_that_goes_on_has_spent_what_it_had(tmp_path: Path) -> None:
    first = Simulated(2)
    search = make(tmp_path, first, cpu_hours=0.2)
    search.run()
    spent = first.clock()
    again = Simulated(2)
    more = make(tmp_path, again, cpu_hours=0.2)
    more.extend(seconds=200)
    more.run(resume=True)
    assert again.clock() <= 200 + 360 - spent + 1
    assert len(trials(more)) > 0


def test_hours_of_what_no_worker_holds_are_refused(tmp_path: Path) -> None:
    search = make(tmp_path, Simulated(2), gpu_hours=1)
    with pytest.raises(
        SearchError, match=r"gpu_hours: 1, but the workers hold no gpus.* give cpu_hours or seconds"
    ):
        search.run()


def test_executors_say_what_they_hold() -> None:
    assert Inline(cpus=2).holds == {"cpus": 2, "gpus": 0}
    assert Simulated(3).holds == {"cpus": 3, "gpus": 0}
