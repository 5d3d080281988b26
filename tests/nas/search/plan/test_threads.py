"""The threads of trainings: measured once where the clock rules, and kept by a new driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from scripted import Scripted

import nas
from nas.search.plan.threads import chosen_threads
from search_spaces import Architecture, Space
from workers import inline
from workers.inline import Inline
from workers.job import Job
from workers.problems import Problem


class Cores(Scripted):
    """An executor that is fastest with four threads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.measured: list[str] = []
        self.used: list[int] = []

    def paces(self, architecture: Architecture, seconds: float) -> Mapping[int, float]:
        self.measured.append(architecture.id)
        return {1: 4.0, 2: 2.0, 4: 1.0, 8: 0.95}

    def use_threads(self, threads: int) -> None:
        self.used.append(threads)


def choices(search: nas.Search) -> list[tuple[str, Any]]:
    frame = nas.choices(search.store)
    return [
        (part, value) for part, value in zip(frame["part"], frame["value"], strict=True) if part == "threads"
    ]


def test_where_the_clock_rules_the_threads_of_the_plain_network_are_measured_once(
    make: Any, space: Space
) -> None:
    executor = Cores()
    search = make("random", executor=executor, seconds=600.0, trials=5)
    search.run()
    assert executor.measured == [space.plain().id]
    assert executor.used == [4]
    assert [part for part, _ in choices(search)] == ["threads"]


def test_a_new_driver_uses_as_many_and_measures_nothing(make: Any) -> None:
    def die(ended: int) -> None:
        if ended >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make("random", executor=Cores(before=die), seconds=600.0, trials=6, name="it").run()
    executor = Cores()
    make("random", executor=executor, seconds=600.0, trials=6, name="it").run(resume=True)
    assert (executor.measured, executor.used) == ([], [4])


def test_a_search_that_began_without_a_choice_makes_none(make: Any) -> None:
    make("random", trials=2, name="it", executor=Cores()).run()
    executor = Cores()
    make("random", trials=4, seconds=600.0, name="it", executor=executor).run(resume=True)
    assert (executor.measured, executor.used) == ([], [])


def test_a_budget_of_trials_is_trained_with_one_thread(make: Any) -> None:
    executor = Cores()
    make("random", executor=executor, trials=3).run()
    assert (executor.measured, executor.used) == ([], [])


def test_no_more_threads_are_taken_than_are_worth_it() -> None:
    assert chosen_threads({1: 1.0, 2: 0.95, 4: 2.0})[0] == 1
    assert chosen_threads({1: 1.0, 2: 0.6, 4: 0.58})[0] == 2
    threads, why = chosen_threads({1: 8.0, 2: 4.0, 4: 2.0})
    assert (threads, why) == (4, "an epoch of the plain network takes 8 s with 1, 4 s with 2, 2 s with 4")


def test_inline_measures_by_real_steps_and_leaves_no_trace(
    problem: Problem, networks: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_cores", lambda: 4)
    network, before = networks.plain(), (torch.get_num_threads(), torch.get_rng_state().tolist())
    with Inline() as executor:
        executor.open(problem)
        paces = executor.paces(network, 60.0)
        assert (torch.get_num_threads(), torch.get_rng_state().tolist()) == before
        executor.use_threads(2)
        assert executor.holds["cpus"] == 2
        executor.start(Job(0, network, seed=0))
        while executor.events():
            pass
    assert [*paces] == [1, 2, 4]
    assert all(seconds > 0 for seconds in paces.values())


def test_inline_stops_measuring_when_its_time_is_over(
    problem: Problem, networks: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_cores", lambda: 1024)
    with Inline() as executor:
        executor.open(problem)
        assert [*executor.paces(networks.plain(), 0.0)] == [1]


@pytest.mark.parametrize("executor", [Inline(cpus=1), Inline(cpus=3)])
def test_threads_that_are_given_stand(
    executor: Inline, problem: Problem, networks: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_cores", lambda: 4)
    with executor:
        executor.open(problem)
        assert not executor.paces(networks.plain(), 60.0)


def test_a_network_that_cannot_be_trained_has_no_pace(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_cores", lambda: 4)
    with Inline() as executor:
        executor.open(problem)
        assert not executor.paces(Space({"a": 1}).plain(), 60.0)
