"""What does not come to its end in the time that is left is not begun; what takes too much is stopped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stored import trials
from torch import nn

import nas
from controllers import RandomSearch, maximize
from controllers.fidelity import SuccessiveHalving
from controllers.prior import Prior
from nas.description import Budget
from nas.search.plan.budget_end import BudgetEnd
from nas.search.plan.time_left import TimeLeft
from search_spaces import Space, choice, layer, sequential
from workers.inline import Inline
from workers.job import Event, Job, Pace, Paced, Reported
from workers.problems import Problem
from workers.speed.speed import Speed


class Slow(Inline):
    """A machine that takes a million times as long, as far as its reports say."""

    def _events(self, timeout: float | None) -> list[Event]:
        return [
            replace(event, report=replace(event.report, seconds=1e6 * event.report.seconds))
            if isinstance(event, Reported)
            else event
            for event in super()._events(timeout)
        ]


def make(tmp_path: Path, executor: Inline, **changed: Any) -> nas.Search:
    inputs = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_tensors("few", (inputs, (inputs[:, 0] > 0.5).long()), 0.2, 0.2)
    width = choice(*range(2, 60))
    space = sequential(layer(nn.Linear, out_features=width), layer(nn.ReLU))
    options: dict[str, Any] = {
        "seconds": 500.0,
        "epochs": 1,
        "first": [{}],
        "name": "mine",
        "store": tmp_path / "store.db",
    }
    options |= {"controller": "random"} | changed
    return nas.Search(space, problem, executor=executor, **options)


def test_what_is_too_late_is_recorded_and_ends_the_search_and_others_begin_when_there_is_more_time(
    tmp_path: Path,
) -> None:
    search = make(tmp_path, Slow())
    search.run()
    assert search.reason.startswith("none of the last 20 networks comes to its end in the 8 min")
    plain, *others = trials(search)
    assert (plain.origin, plain.status) == ("plain", "complete")
    assert [(one.status, one.reason) for one in others] == [("infeasible", "time")] * 20
    assert others[0].message is not None
    assert others[0].message.startswith("its training takes some ")
    more = make(tmp_path, Inline())
    more.extend(trials=10)
    board = more.run(resume=True)
    assert (board.status == "complete").sum() == 11


def test_where_all_is_in_time_all_begins(tmp_path: Path) -> None:
    search = make(tmp_path, Inline())
    search.description = search.description.with_end(6, None, None)
    assert set(search.run().status) == {"complete"}


class Surprising(Inline):
    """A machine that takes forty times as long for networks of more than 30 neurons, as its reports say."""

    def _start(self, jobs: Sequence[Job]) -> None:
        wide = (job.number for job in jobs if next(iter(job.architecture.decisions.values())) > 30)
        self.wide = {*getattr(self, "wide", ()), *wide}
        super()._start(jobs)

    def _events(self, timeout: float | None) -> list[Event]:
        return [
            replace(event, report=replace(event.report, seconds=40.0 if event.number in self.wide else 1.0))
            if isinstance(event, Reported)
            else event
            for event in super()._events(timeout)
        ]


@pytest.mark.parametrize("fidelity", [None, "asha"])
def test_what_turns_out_too_dear_is_stopped_and_recorded_as_that_and_the_search_goes_on_with_others(
    tmp_path: Path, fidelity: str | None
) -> None:
    options = {"epochs": 9, "seed": 1, "fidelity": None if fidelity is None else SuccessiveHalving(9, 3)}
    search = make(tmp_path, Surprising(), **options)
    search.description = search.description.with_end(12, 500.0, None)
    search.run()
    stopped = [one for one in trials(search) if one.reason == "time" and one.seconds]
    assert stopped
    assert {one.status for one in stopped} == {"infeasible"}
    assert {one.epochs for one in stopped} == {2}
    assert all("its training takes some" in str(one.message) for one in stopped)
    assert sum(one.status in ("complete", "paused") for one in trials(search)) == 12
    again = make(tmp_path, Surprising(), **options)
    again.description = search.description
    board = again.extend(trials=2).run(resume=True)
    assert board.status.isin(["complete", "paused"]).sum() == 14


class Crawling(Inline):
    """A machine on which an epoch takes a thousand seconds, by the first steps of it."""

    def _events(self, timeout: float | None) -> list[Event]:
        events = super()._events(timeout)
        first = [event.number for event in events if isinstance(event, Reported) and event.report.epoch == 1]
        return [*(Paced(number, Pace(1000.0)) for number in first), *events]


def test_a_time_too_short_for_one_epoch_of_the_plain_network_is_refused_by_its_first_steps(
    tmp_path: Path,
) -> None:
    search = make(tmp_path, Crawling(), controller="auto", epochs=9)
    search.run()
    assert re.fullmatch(
        r"seconds: \d+ seconds are too few: one epoch .* takes 1.15e\+03 \(give 2300 or more\)",
        search.reason,
    )
    assert [one.status for one in trials(search)] == ["interrupted"]


def test_how_dear_the_first_networks_are_is_told_before_any_was_trained() -> None:
    inputs = torch.rand(600, 50, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_tensors("some", (inputs, (inputs[:, 0] > 0.5).long()), 0.2, 0.2)
    width = choice(8, 3000, 4000)
    space = Space(sequential(layer(nn.Linear, out_features=width), layer(nn.Linear, out_features=width)))
    controller = RandomSearch(space, maximize("accuracy"))
    speed = Speed(problem)
    small = space.architecture({"0.out_features": 8, "1.out_features": 8})
    judge = TimeLeft(speed, BudgetEnd(Budget(seconds=100.0)), lambda: small)
    judge.left = 100.0
    assert judge.dearness(controller) is None  # nothing was measured
    speed.observe(small, 0.1)
    anywhere = judge.dearness(controller)
    assert anywhere is not None
    assert anywhere > 3
    controller.use_prior(Prior(centers=[small.decisions]))
    near = judge.dearness(controller)
    assert near is not None
    assert near < anywhere
