"""The memory that a training takes is a metric like any other: to minimise, to limit, to rank by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scripted import Scripted
from stored import trials
from torch import nn

import nas
from controllers.fidelity import SuccessiveHalving
from nas import Search, at_most, maximize, minimize
from nas.results.text import cell
from nas.store.store import Store
from search_spaces import Classification, Signature, Space, Vector, choice, integer, layer, sequential
from search_spaces.errors import RecipeError, SearchError
from workers.job import Checkpoint, Event, Finished, HeldWeights, Job
from workers.problems import Problem
from workers.tabular import Answer, Simulated, Table

PEAK = "peak_memory_bytes"


class Measuring(Scripted):
    """Trains in as many megabytes as the network's number says."""

    def _events_of(self, job: Job) -> list[Event]:
        *reports, end = super()._events_of(job)
        if isinstance(end, Finished):
            end.costs[PEAK] = 1e6 * (1 + job.number)
        return [*reports, end]


def test_it_is_minimised(make: Any) -> None:
    search = make("random", trials=5, objectives=minimize(PEAK), executor=Measuring())
    board = search.run()
    assert list(board["number"]) == [0, 1, 2, 3, 4]
    assert list(board[PEAK]) == [1e6, 2e6, 3e6, 4e6, 5e6]
    assert search.controller.num_told == 5


def test_a_limit_on_it_is_known_after_the_training(make: Any) -> None:
    limits = at_most(PEAK, 3e6)
    search = make("evolution", trials=6, limits=limits, executor=Measuring())
    board = search.run()
    assert len(search.executor.started) == 6
    assert set(board["status"]) == {"complete"}
    assert set(board["number"][board["feasible"]]) == {0, 1, 2}
    assert list(board["number"])[3:] == [3, 4, 5]  # what breaks it least comes first


def test_it_goes_with_another_objective_and_through_a_store(make: Any) -> None:
    options = {"objectives": [maximize("accuracy"), minimize(PEAK)], "trials": 6, "name": "mine"}
    make("nsga2", executor=Measuring(), **options).run()
    board = make("nsga2", executor=Measuring(), **options).extend(trials=2).run(resume=True)
    assert len(board) == 8
    assert board["front"].any()
    with Store(make().store) as store:
        assert store.frame(store.search("mine").id)[PEAK].notna().all()


def test_where_nobody_measures_it_trials_have_no_rank_and_the_search_goes_on(make: Any) -> None:
    search = make("evolution", trials=4, limits=at_most(PEAK, 3e6), executor=Scripted())
    board = search.run()
    assert len(board) == 4
    assert search.controller.num_told == 4
    with Store(search.store) as store:
        assert store.frame(1)["violation"].isna().all()


def test_a_table_that_knows_it_not_is_refused_with_one_line() -> None:
    space = Space({"a": integer(0, 9)})

    def answer(architecture: Any) -> Answer:
        return Answer({"accuracy": 0.5, PEAK: 1e6 * architecture.value["a"]}, 1.0)

    signature = Signature({"row": Vector(1)}, {"kind": Classification(2)})
    table = Table("small", space, signature, answer)
    for options in ({"objectives": minimize(PEAK)}, {"limits": at_most(PEAK, 1e6)}):
        with pytest.raises(SearchError, match="the table 'small' trains none; it knows accuracy"):
            Search(space, table, "random", store="sqlite://", **options)
    knows = Table("small", space, signature, answer, metrics=("accuracy", PEAK))
    executor = Simulated(2)
    board = Search(
        space, knows, "random", store="sqlite://", objectives=minimize(PEAK), trials=10, executor=executor
    ).run()
    assert list(board[PEAK]) == sorted(board[PEAK])


def test_older_values_of_it_are_not_told_to_a_search_that_ranks_by_it(make: Any) -> None:
    make("random", trials=12, name="older", executor=Measuring()).run()
    newer = make("evolution", trials=12, start_from="older", limits=at_most(PEAK, 1e9), executor=Measuring())
    newer.run()
    assert newer.controller.num_told == 12
    # the best of the older ones are tried first, on the device that is here
    assert {trial.origin for trial in trials(newer)[:10]} == {"warm start"}
    free = make("evolution", trials=12, name="free", start_from="older", executor=Measuring())
    free.run()
    assert free.controller.num_told == 24


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (2.5e9, "2.50 GB"), (123456789, "123.46 MB")],
)
def test_sizes_are_shown_with_a_unit(value: float, text: str) -> None:
    assert cell(value, PEAK) == cell(value, "activation_bytes") == text
    assert cell(value, "num_params") != text


def test_a_precision_that_there_is_not_is_refused_before_the_search(problem: Problem) -> None:
    model = sequential(layer(nn.Flatten), layer(nn.Linear, out_features=integer(1, 9)))
    message = r"recipe.precision: Input should be 'float32' or 'bfloat16', got 'fp8'"
    for precision in ("fp8", choice("float32", "fp8")):
        space = Space({"model": model, "recipe": {"precision": precision}})
        with pytest.raises(RecipeError, match=message):
            Search(space, problem, "random", store="sqlite://")
    good = Space({"model": model, "recipe": {"precision": choice("float32", "bfloat16")}})
    assert nas.Search(good, problem, "random", store="sqlite://").space == good


def test_of_a_trial_that_has_paused_the_most_of_its_legs_counts(make: Any) -> None:
    class Falling(Scripted):
        """The first leg of each trial takes more than those after it."""

        def _events_of(self, job: Job) -> list[Event]:
            *reports, end = super()._events_of(job)
            if isinstance(end, Finished):
                end.costs[PEAK] = 5e6 if job.checkpoint is None else 2e6
                if job.until is not None and job.until < 9:
                    end = replace(end, checkpoint=Checkpoint(job.until, HeldWeights(b"")))
            return [*reports, end]

    search = make("random", trials=9, fidelity=SuccessiveHalving(9, 3), executor=Falling())
    search.run()
    assert any(job.checkpoint is not None for job in search.executor.started)
    assert {trial.metrics[PEAK] for trial in trials(search)} == {5e6}
