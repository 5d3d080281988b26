"""What a budget would buy, told before a search: by the plain network, and by how dear the others are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

import nas
from controllers import RandomSearch, maximize
from controllers.fidelity import Stages
from controllers.planner import Planner
from nas.records import PlanChoice
from nas.search.plan.preview import preview
from search_spaces import Space, choice, layer, sequential
from workers.inline import Inline
from workers.job import Event, Finished, Reported
from workers.problems import Problem
from workers.speed.speed import Speed


class Steady(Inline):
    """A machine on which an epoch takes half a second, as far as it says, and two epochs 1.2 seconds."""

    def _events(self, timeout: float | None) -> list[Event]:
        found = []
        for one in super()._events(timeout):
            if isinstance(one, Reported):
                one = replace(one, report=replace(one.report, seconds=0.5))
            found.append(replace(one, seconds=1.2) if isinstance(one, Finished) else one)
        return found


def planned(*widths: int) -> PlanChoice:
    """How long trials would train in a space of these widths; the plain network has the middle one."""
    inputs = torch.rand(600, 50, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_tensors("some", (inputs, (inputs[:, 0] > 0.5).long()), 0.2, 0.2)
    width = choice(*widths)
    model = sequential(*(layer(nn.Linear, out_features=width) for _ in range(6)))
    space = Space({"model": model, "recipe": {"epochs": 9}})
    search = nas.Search(space, problem, "auto", seconds=60.0, executor=Steady(), store="sqlite://")
    planner = Planner(RandomSearch(space, maximize("accuracy")), Stages())  # which draws anywhere
    with Steady() as executor:
        executor.open(problem)
        found = preview(search.description, planner, executor, Speed(problem))
    return next(one for one in found if one.part == "epochs")


def test_the_number_of_candidates_follows_how_dear_they_are_beside_the_plain_network() -> None:
    like_it, dear = planned(8, 9, 10), planned(8, 9, 1000)
    assert "others take 1 times as long" in like_it.reason
    assert dear.value["candidates"] < like_it.value["candidates"] / 2
    assert planned(8, 9, 1000) == dear, "the same networks are drawn each time"
