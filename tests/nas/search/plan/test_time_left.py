"""What does not come to its end in the time that is left is not begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from stored import trials
from torch import nn

import nas
from search_spaces import choice, layer, sequential
from workers.inline import Inline
from workers.job import Event, Reported
from workers.problems import Problem


class Slow(Inline):
    """A machine that takes a million times as long, as far as its reports say."""

    def _events(self, timeout: float | None) -> list[Event]:
        return [
            replace(event, report=replace(event.report, seconds=1e6 * event.report.seconds))
            if isinstance(event, Reported)
            else event
            for event in super()._events(timeout)
        ]


def make(tmp_path: Path, executor: Inline) -> nas.Search:
    inputs = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_tensors("few", (inputs, (inputs[:, 0] > 0.5).long()), 0.2, 0.2)
    width = choice(*range(2, 60))
    space = sequential(layer(nn.Linear, out_features=width), layer(nn.ReLU))
    options = {"seconds": 500.0, "epochs": 1, "first": [{}], "name": "mine", "store": tmp_path / "store.db"}
    return nas.Search(space, problem, "random", executor=executor, **options)  # type: ignore[arg-type]


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
