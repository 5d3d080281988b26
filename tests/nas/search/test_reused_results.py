"""Results that other searches of the store have are taken over, where the training would be the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scripted import Scripted, by_decisions
from stored import trials

import nas
from nas import Search
from nas.description import Description
from nas.records import Trial
from nas.search.reused_results import REUSED
from nas.store.store import Store
from search_spaces import Space, choice, integer
from search_spaces.errors import SearchError
from workers.job import Event, Failed, Job, Reported
from workers.problems import Problem


def only(*numbers: int) -> Any:
    """Trains the trials of these numbers, and no other."""
    return lambda job: by_decisions(job) if job.number in numbers else never(job)


def never(job: Job) -> RuntimeError:
    return RuntimeError(f"{job.architecture.id} was to be trained")


@pytest.fixture
def tiny(make: Any) -> Any:
    """A search in which trials take an epoch, as what is scripted says."""

    def search(name: str, **options: Any) -> Search:
        return make(**{"controller": "random", "epochs": 1, "trials": 6, "name": name} | options)

    return search


def test_a_search_that_another_has_made_is_answered_once_it_is_known_what_runs_here(tiny: Any) -> None:
    first = tiny("first", controller="evolution", trials=40)
    first.run()
    second = tiny("second", controller="evolution", trials=40, reuse_results=True, executor=Scripted(only(0)))
    board = second.run()
    assert len(second.executor.started) == 1
    assert second.reason == "40 trials are done"
    for old, new in zip(trials(first), trials(second), strict=True):
        assert (new.architecture_id, new.origin, new.parents) == (
            old.architecture_id,
            old.origin,
            old.parents,
        )
        assert (new.metrics, new.test_metrics, new.score) == (old.metrics, old.test_metrics, old.score)
        assert (new.status, new.epochs) == ("complete", 1)
        if new.number == 0:
            continue
        assert new.seconds is None
        assert (new.reason, new.message) == (REUSED, f"the result of trial {old.number} of search first")
    assert list(board["reason"]).count("reused") == 39
    assert board["seconds"].notna().sum() == 1


def test_only_what_nobody_has_is_trained(tiny: Any) -> None:
    tiny("first").run()
    second = tiny("second", trials=10, reuse_results=True)
    second.run()
    found = trials(second)
    assert [trial.reason for trial in found] == [None] + [REUSED] * 5 + [None] * 4
    assert [job.number for job in second.executor.started] == [0, 6, 7, 8, 9]


def test_results_are_not_taken_over_unless_that_is_wanted(tiny: Any) -> None:
    tiny("first").run()
    second = tiny("second")
    second.run()
    assert len(second.executor.started) == 6


SIX = {"a": integer(0, 5)}


class Epochs(Scripted):
    """Trains for as many epochs as a job says, or five."""

    def _events_of(self, job: Job) -> list[Event]:
        report, end = super()._events_of(job)
        assert isinstance(report, Reported)
        count = range(1, (job.epochs or 5) + 1)
        return [*(replace(report, report=replace(report.report, epoch=n)) for n in count), end]


@pytest.mark.parametrize(
    ("other", "trained"),
    [({}, 1), ({"seed": 1}, 6), ({"epochs": 2}, 6), ({"epochs": None}, 6), ({"on": None}, 6)],
)
def test_only_results_of_the_same_training_are_taken_over(
    make: Any, problem: Problem, tmp_path: Path, other: dict[str, Any], trained: int
) -> None:
    same = {"epochs": 1, "seed": 0, "trials": 6}
    first = {**same, **other, "executor": Epochs()}
    if "on" in first:  # the same examples in another order
        del first["on"]
        order = torch.arange(len(problem.train)).flip(0)
        problem = replace(problem, train=problem.train.select(order))
    Search(SIX, problem, "random", store=tmp_path / "store.db", **first).run()
    second = make("random", on=SIX, reuse_results=True, executor=Epochs(), **same)
    second.run()
    assert len(second.executor.started) == trained


def test_what_the_recipe_says_of_epochs_counts(make: Any) -> None:
    both = {"on": {"model": SIX, "recipe": {"epochs": 5}}, "trials": 6}
    make("random", executor=Epochs(), epochs=5, **both).run()
    second = make("random", reuse_results=True, executor=Epochs(), **both)
    second.run()
    assert len(second.executor.started) == 1
    third = make("random", reuse_results=True, executor=Epochs(), epochs=4, **both)
    third.run()
    assert len(third.executor.started) == 6


def test_failures_are_tried_again(tiny: Any) -> None:
    def fails(job: Job) -> Failed:
        return Failed(job.number, "out_of_memory", "too large", "", False, 0.1)

    tiny("first", executor=Scripted(fails)).run()
    second = tiny("second", reuse_results=True)
    assert set(second.run()["status"]) == {"complete"}
    assert len(second.executor.started) == 6


def test_curves_and_weights_come_with_the_results(tiny: Any) -> None:
    first = tiny("first", keep_weights=6)
    first.run()
    second = tiny("second", keep_weights=3, reuse_results=True)
    best = list(second.run()["number"][:3])
    with Store(second.store) as store:
        one, two = store.search("first").id, store.search("second").id
        assert store.kept_weights(two) == set(best)
        assert all(store.weights(two, number) == store.weights(one, number) for number in best)
        assert all(store.reports(two, number) == store.reports(one, number) for number in range(6))


def test_a_limit_on_costs_is_looked_at_first(networks: Space, make: Any) -> None:
    options = {"on": networks, "epochs": 1, "trials": 8}
    make("random", name="first", **options).run()
    second = make(
        "random", name="second", limits=nas.at_most("num_params", 100), reuse_results=True, **options
    )
    second.run()
    found = trials(second)
    assert {trial.status for trial in found} >= {"infeasible", "complete"}
    assert all(trial.reason == "limit" for trial in found if trial.status == "infeasible")


@pytest.mark.parametrize("last", [1, 4, 7, 9])
def test_a_driver_that_dies_leaves_nothing_lost_and_nothing_counted_twice(tiny: Any, last: int) -> None:
    tiny("first", controller="evolution").run()
    whole = tiny("whole", controller="evolution", trials=12, reuse_results=True)
    whole.run()

    class Stopping(nas.Callback):
        def on_trial_end(self, trial: Trial) -> None:
            if trial.number == last:
                raise KeyboardInterrupt

    options = {"controller": "evolution", "trials": 12, "reuse_results": True}
    cut = tiny("cut", callbacks=[Stopping()], **options)
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    Search.run(tiny("cut", **options), resume=True)

    def what(search: Search) -> list[Any]:
        return [(t.number, t.architecture_id, t.status, t.metrics, t.told_step) for t in trials(search)]

    assert what(tiny("cut")) == what(whole)


def test_what_was_cut_short_is_answered_when_somebody_else_has_finished_it(tiny: Any) -> None:
    def press(ended: int) -> None:
        if ended == 3:
            raise KeyboardInterrupt

    cut = tiny("cut", reuse_results=True, executor=Scripted(before=press))
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    tiny("other").run()
    cut.executor = Scripted(only(3))  # who goes on may have another device
    cut.run(resume=True)
    assert [trial.reason for trial in trials(cut)] == [None] * 4 + [REUSED] * 2


def test_the_description_of_a_search_says_so(make: Any) -> None:
    told = make("random", reuse_results=True).description
    assert told.reuse_results
    assert Description.from_dict(told.to_dict()) == told


def test_not_with_a_fidelity(tiny: Any) -> None:
    with pytest.raises(SearchError, match="reuse_results: not with a fidelity"):
        tiny("mine", fidelity="asha", epochs=9, reuse_results=True)


def test_a_result_taken_over_is_what_training_gives(
    problem: Problem, networks: Space, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"executor": "inline", "store": tmp_path / "s.db", "trials": 3}
    trained = Search(networks, problem, "random", name="trained", **options).run()
    taken = Search(networks, problem, "random", name="taken", reuse_results=True, **options).run()
    again = Search(networks, problem, "random", name="again", **options).run()
    own = ("seconds", "reason", "message", "peak_memory_bytes")
    told = [name for name in trained.columns if name not in own]
    assert taken[told].equals(again[told])
    assert nas.load(tmp_path / "s.db", taken["id"][0], search="taken").weights is not None


# -- in the same arithmetic ---------------------------------------------------------------------------------

CPU = {"device": "cpu", "precision": "float32", "compiled": "no", "graphs": "no", "deterministic": "no"}
H100 = CPU | {"device": "NVIDIA H100", "graphs": "yes"}


def on(ran: dict[str, str], **options: Any) -> Scripted:
    """An executor that says that this ran."""
    return Scripted(ran=ran, **options)


@pytest.mark.parametrize(
    ("before", "now", "trained"),
    [
        (H100, H100, 1),
        (H100, H100 | {"graphs": "no: it prints", "deterministic": "yes"}, 1),
        (H100 | {"compiled": "no: it prints"}, H100, 1),
        ({}, CPU, 1),
        ({}, {}, 1),
        ({}, H100, 6),
        (CPU, H100, 6),
        (H100, CPU, 6),
        (H100, H100 | {"device": "NVIDIA A100"}, 6),
        (H100, H100 | {"precision": "bfloat16"}, 6),
        (H100, H100 | {"compiled": "yes"}, 6),
        ({**H100, "device": "cpu, NVIDIA H100"}, H100, 6),
    ],
)
def test_only_results_of_the_same_arithmetic_are_taken_over(
    tiny: Any, before: dict[str, str], now: dict[str, str], trained: int
) -> None:
    tiny("first", executor=on(before)).run()
    second = tiny("second", reuse_results=True, executor=on(now))
    board = second.run()
    assert len(second.executor.started) == trained
    taken = [trial for trial in trials(second) if trial.reason == REUSED]
    assert len(taken) == 6 - trained
    assert all(trial.ran == before for trial in taken)  # the record goes with the result
    assert len(board) == 6


def test_until_a_training_has_ended_well_here_networks_are_trained(tiny: Any) -> None:
    tiny("first", trials=9).run()

    def fails(job: Job) -> Any:
        return by_decisions(job) if job.number else Failed(0, "out_of_memory", "too large", "", False, 0.1)

    second = tiny("second", trials=9, reuse_results=True, executor=Scripted(fails, slots=3))
    second.run()
    # three at once, and one more in place of the failure, which says nothing of what runs here
    assert sorted(job.number for job in second.executor.started) == [0, 1, 2, 3]


def test_each_precision_that_recipes_ask_for_is_known_by_a_training_of_its_own(make: Any) -> None:
    precision = choice("float32", "bfloat16")
    space = {"model": integer(0, 8), "recipe": {"epochs": 1, "precision": precision}}

    def auto(job: Job) -> dict[str, str]:
        """All in bfloat16, as with autocast."""
        return H100 | {"precision": "bfloat16"}

    def recipe(job: Job) -> dict[str, str]:
        return H100 | {"precision": str(job.architecture.decisions["recipe.precision"])}

    both = {"on": space, "trials": 18}
    make("random", name="first", executor=Scripted(ran=auto), **both).run()
    second = make("random", name="second", reuse_results=True, executor=Scripted(ran=recipe), **both)
    second.run()
    wanted = {trial.number: trial.decisions["recipe.precision"] for trial in trials(second)}
    taken = {trial.number for trial in trials(second) if trial.reason == REUSED}
    # bfloat16 by its recipe is what ran; what recipes wanted in float32 ran in bfloat16 there, and not here
    low = sorted(number for number, one in wanted.items() if one == "bfloat16")
    assert taken == set(low[1:])
    assert len(taken) == 8


def test_results_without_the_memory_that_counts_here_are_not_taken_over(tiny: Any) -> None:
    tiny("first").run()
    limits = nas.at_most("peak_memory_bytes", 2e9)
    second = tiny(
        "second", reuse_results=True, limits=limits, executor=Scripted(costs={"peak_memory_bytes": 1e9})
    )
    second.run()
    assert len(second.executor.started) == 6
    third = tiny(
        "third", reuse_results=True, limits=limits, executor=Scripted(costs={"peak_memory_bytes": 1e9})
    )
    third.run()
    # those of the first say nothing of their memory, those of the second do
    assert len(third.executor.started) == 1
