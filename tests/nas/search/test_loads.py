"""A search tries on its first networks whether what it trains can be loaded, and not when it is over."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import nas
from nas import Search
from nas.store.store import Store
from search_spaces import Space, choice, integer, layer, sequential
from workers.inline import Inline
from workers.job import Job


class CountingLayer(nn.Module):
    """Adds what it has counted, which it keeps to itself if it is told so."""

    def __init__(self, hidden: bool = False) -> None:
        super().__init__()
        if hidden:
            self.count = torch.zeros(())
        else:
            self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.count = self.count + 1
        return x + self.count


def _space(*hidden: bool) -> Space:
    counting = layer(CountingLayer, hidden=choice(*hidden) if len(hidden) > 1 else hidden[0])
    model = sequential(layer(nn.Linear, out_features=integer(1, 50)), counting)
    return Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16}})


def test_networks_that_answer_otherwise_when_they_are_loaded_all_fail(make: Callable[..., Search]) -> None:
    search = make("random", on=_space(True), trials=3, executor="inline")
    search.run()
    with Store(search.store) as store:
        trials = store.trials(1)
    assert [trial.status for trial in trials] == ["failed"] * 3
    assert {trial.reason for trial in trials} == {"build"}
    assert all("count: no buffer; register_buffer makes it one" in (one.message or "") for one in trials)


def test_once_a_network_was_loaded_the_others_are_not_tried(make: Callable[..., Search]) -> None:
    jobs: list[Job] = []

    class Listening(Inline):
        def start(self, *given: Job) -> None:
            jobs.extend(given)
            super().start(*given)

    search = make("random", on=_space(False), trials=3, executor=Listening(), keep_weights=1)
    search.run()
    assert [job.round_trip for job in jobs] == [True, False, False]
    with Store(search.store) as store:
        assert [trial.status for trial in store.trials(1)] == ["complete"] * 3
    nas.load(str(search.store), modules=[CountingLayer]).build()
