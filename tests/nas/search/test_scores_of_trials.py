"""Zero-cost scores of a search's networks: taken before training, shown, limited, and searched by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
from nas import Search, at_least, at_most, maximize
from nas.description import Description, training_seed
from nas.store.store import Store
from search_spaces import Classification, Signature, Space, Vector
from search_spaces.errors import SearchError, UnknownNameError
from workers.problems import Problem
from workers.tabular import Answer, Table
from workers.zero_cost import score

Make = Callable[..., Search]


@pytest.fixture
def searching(networks: Space, problem: Problem, tmp_path: Path) -> Make:
    """Makes a search of networks with one hidden layer, trained in this process."""

    def make(store: str = "nas.db", **options: Any) -> Search:
        return Search(networks, problem, "random", store=tmp_path / store, executor="inline", **options)

    return make


def test_scores_are_columns_with_what_each_network_had_before_training(
    searching: Make, problem: Problem, tmp_path: Path
) -> None:
    search = searching(trials=6, scores=["snip", "swap", "az_nas"])
    board = search.run()
    assert {"snip", "swap"} <= set(board)
    assert not any(name.startswith("az_nas") for name in board)  # of one hidden layer it is not defined
    with Store(tmp_path / "nas.db") as store:
        record = store.search()
        trials = store.trials(record.id)
        assert record.description.scores == ("snip", "swap", "az_nas")
        logs = {trial.number: store.log(record.id, trial.number) for trial in trials}
    for trial in trials:
        architecture = search.space.architecture(trial.decisions)
        seed = training_seed(0, architecture.id)
        expected = score(architecture, problem, ["snip"], seed=seed)
        assert trial.metrics["snip"] == pytest.approx(expected["snip"])
        tanh = "tanh" in trial.decisions.values()
        assert ("swap" in trial.metrics) != tanh
        assert ("no score: swap: no unit switches" in logs[trial.number]) == tanh
    plain = searching("plain.db", trials=6).run()
    assert board.sort_values("id")["loss"].tolist() == plain.sort_values("id")["loss"].tolist()


def test_a_network_beyond_a_limit_on_a_score_is_not_trained(searching: Make, tmp_path: Path) -> None:
    free = searching("free.db", trials=12, scores=["snip"]).run()
    bound = float(free["snip"].median())
    search = searching(trials=6, limits=[at_most("snip", bound), at_most("num_params", 10_000)])
    assert search.description.scores == ("snip",)
    assert search.description.bounds == {"snip": (None, bound)}
    board = search.run()
    assert len(board) == 6
    assert (board["snip"] <= bound).all()
    everything = nas.leaderboard(tmp_path / "nas.db", infeasible=True)
    turned_down = everything[everything["status"] == "infeasible"]
    assert len(turned_down) > 0
    assert (turned_down["snip"] > bound).all()
    assert (turned_down["reason"] == "limit").all()
    assert turned_down["epochs"].isna().all()
    assert turned_down["message"].str.match("snip is .*, the limit snip <= ").all()


def test_a_metric_of_a_task_that_is_named_as_a_score_is_none(networks: Space, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    points, labels = torch.randn(120, 3, generator=generator), torch.arange(120) % 2
    signature = Signature({"point": Vector(3)}, {"swap": Classification(2), "other": Classification(2)})
    named = Problem.from_tensors("named", (points, {"swap": labels, "other": labels}), signature=signature)
    search = Search(
        networks, named, "random", store=tmp_path / "n.db", limits=at_least("swap.accuracy", 0.01), trials=1
    )
    assert search.description.scores == ()
    assert search.description.bounds == {}


def test_a_search_ends_where_all_networks_break_a_limit_on_a_score(searching: Make) -> None:
    search = searching(trials=6, limits=at_least("num_layers", 9), rejections=4)
    with pytest.raises(nas.NasError, match=r"num_layers|limit"):
        search.run()


def test_a_score_can_be_an_objective_and_fails_networks_that_do_not_have_it(searching: Make) -> None:
    board = searching(trials=10, objectives=maximize("swap")).run()
    there = board["swap"].notna()
    assert 0 < there.sum() < 10
    assert board["swap"][there].is_monotonic_decreasing
    assert there[: there.sum()].all()  # those that lack it come last


def test_a_search_with_limits_on_scores_goes_on_as_if_it_had_not_stopped(
    searching: Make, tmp_path: Path
) -> None:
    def options(trials: int) -> dict[str, Any]:
        return {"trials": trials, "limits": at_least("swap", 20), "fidelity": "asha", "epochs": 3}

    def proposed(path: Path) -> list[tuple[str, str, str | None]]:
        with Store(path) as store:
            trials = store.trials(store.search().id)
            return [(trial.architecture_id, trial.status, trial.reason) for trial in trials]

    searching("whole.db", **options(12)).run()
    searching("broken.db", name="it", **options(5)).run()
    searching("broken.db", name="it", **options(12)).run(resume=True)
    whole = proposed(tmp_path / "whole.db")
    assert ("infeasible", "limit") in {(status, reason) for _, status, reason in whole}
    assert [id for id, *_ in proposed(tmp_path / "broken.db")] == [id for id, *_ in whole]


def test_a_description_keeps_the_scores(searching: Make) -> None:
    description = searching(limits=at_least("az_nas.trainability", -1), scores=["zico"]).description
    assert description.scores == ("zico", "az_nas")
    assert Description.from_dict(description.to_dict()).scores == ("zico", "az_nas")
    older = description.to_dict()
    del older["scores"]
    assert Description.from_dict(older).scores == ()
    assert searching().description.same_training(description) is False  # it has no scores to take over
    assert description.same_training(searching().description)


def test_what_is_no_score_is_refused(searching: Make, networks: Space, problem: Problem) -> None:
    with pytest.raises(UnknownNameError, match="no score named 'sinflow'; did you mean 'synflow'"):
        searching(scores=["sinflow"])
    with pytest.raises(SearchError, match="scores: expected a list of text, got 'synflow'"):
        searching(scores="synflow")
    with pytest.raises(UnknownNameError, match=r"no metric named 'az_nas' .*az_nas\.trainability"):
        searching(limits=at_least("az_nas", -1))  # it is known within a sample only
    table = Table("table", networks, problem.signature, lambda one: Answer({"accuracy": 1.0}, 1.0))
    with pytest.raises(SearchError, match="scores: the table 'table' has no networks"):
        Search(networks, table, "random", scores=["snip"])
