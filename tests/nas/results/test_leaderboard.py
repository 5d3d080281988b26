"""Leaderboards over several searches, over seeds, and of several objectives."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import nas
from nas import Search, at_most, cli, maximize, minimize
from nas.store.store import Store
from search_spaces import Space, integer, layer, sequential
from search_spaces.errors import SearchError, UnknownNameError
from workers.problems import Problem

NETWORKS = Space(
    {
        "model": sequential(layer(nn.Linear, out_features=integer(1, 3)), layer(nn.ReLU)),
        "recipe": {"epochs": 2, "batch_size": 16},
    }
)
"""Three networks, so that searches meet."""


def search(store: Path, problem: Problem, name: str, **options: Any) -> None:
    given: dict[str, Any] = {"executor": "inline", "trials": 3, "store": store, "name": name, **options}
    Search(NETWORKS, problem, "random", **given).run()


@pytest.fixture(scope="module")
def store(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three searches of the same three networks: two of one seed, one of another; and a retraining."""
    path = tmp_path_factory.mktemp("store") / "s.db"
    for name, seed in (("a", 0), ("same", 0), ("b", 7)):
        search(path, problem, name, seed=seed)
    best = nas.leaderboard(path, "a", top=1)["id"][0]
    for options in ({}, {"epochs": 1}, {"all_data": True}):
        nas.retrain(path, best, search="a", problem=problem, executor="inline", seeds=2, **options)
    return path


def test_several_searches_are_ranked_together(store: Path) -> None:
    frames = {name: nas.leaderboard(store, name) for name in ("a", "b")}
    board = nas.leaderboard(store, ["a", "b"])
    assert list(board["rank"]) == list(range(1, 7))
    assert (board["estimate"].diff().dropna() <= 0).all()
    for name, frame in frames.items():
        own = board[board["search"] == name].drop(columns=["search", "rank"]).reset_index(drop=True)
        assert own.equals(frame.drop(columns="rank"))
    assert nas.leaderboard(store, ["a", "b"], top=2).equals(board[:2])
    assert "search" not in frames["a"]


def test_what_breaks_the_limits_of_the_first_search_comes_last_whatever_its_own_were(
    problem: Problem, tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    search(path, problem, "wide")
    sizes = sorted(nas.leaderboard(path, "wide")["num_params"])
    search(path, problem, "tight", limits=at_most("num_params", sizes[0]))
    board = nas.leaderboard(path, ["tight", "wide"])
    assert list(board["feasible"]) == [True, True, False, False]


def test_the_searches_of_a_problem_are_those_on_its_data(store: Path, tmp_path: Path) -> None:
    board = nas.leaderboard(store, problem="larger")
    assert set(board["search"]) == {"a", "same", "b"}
    with pytest.raises(UnknownNameError, match="larger"):
        nas.leaderboard(store, problem="larges")
    with pytest.raises(SearchError, match="both"):
        nas.leaderboard(store, "a", problem="larger")


def test_searches_of_other_data_do_not_compare(problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    search(path, problem, "whole")
    examples = (problem.train.inputs["vector"], problem.train.targets["label"])
    search(path, Problem.from_tensors("larger", examples), "less")
    with pytest.raises(SearchError, match="do not compare"):
        nas.leaderboard(path, ["whole", "less"])
    assert set(nas.leaderboard(path, problem="larger")["id"]) == set(nas.leaderboard(path, "less")["id"])


def test_a_network_counts_by_the_mean_over_its_seeds(store: Path) -> None:
    board = nas.leaderboard(store, ["a", "same", "b"], over_seeds=True)
    full = board[board["epochs"] == 2].set_index("id")
    assert len(full) == 3
    (best,) = nas.leaderboard(store, "a").query("trainings == 3")["id"]
    # its own seed and that of b, twice retrained; the same training in "same" counts once, all data never
    assert dict(full["n"].items()) == {id: 4 if id == best else 2 for id in full.index}
    with Store(store) as opened:
        runs = opened.reruns.of_search(opened.search("a").id)[_number(store, best)]
    values = [r.metrics["accuracy"] for r in runs if r.epochs == 2 and not r.all_data]
    for name in ("a", "b"):
        values += list(nas.leaderboard(store, name).set_index("id").loc[[best], "accuracy"])
    assert len(values) == 4
    assert full.loc[best, "accuracy"] == pytest.approx(statistics.fmean(values))
    assert full.loc[best, "accuracy_std"] == pytest.approx(statistics.stdev(values))
    assert board["num_params"].dtype == int
    assert full.loc[best, "searches"] == ["a", "same", "b"]
    assert list(board["rank"]) == list(range(1, len(board) + 1))
    assert (board["accuracy"].diff().dropna() <= 0).all()
    shorter = board[board["epochs"] == 1]  # a network of its own: other epochs do not compare
    assert list(shorter["n"]) == [2]
    assert list(shorter["id"]) == [best]


def _number(store: Path, id: str) -> int:
    return int(nas.leaderboard(store, "a").set_index("id").loc[id, "number"])


def test_only_networks_with_enough_seeds_can_be_asked_for(store: Path) -> None:
    board = nas.leaderboard(store, ["a", "b"], over_seeds=True, where=["n>=3", "model.0.out_features>0"])
    assert list(board["n"]) == [4]


def test_the_front_of_several_objectives_is_flagged(problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    search(path, problem, "two", objectives=[maximize("accuracy"), minimize("num_params")])
    board, front = nas.leaderboard(path), nas.pareto_front(path)
    assert set(board.loc[board["front"], "id"]) == set(front["id"])
    assert front.attrs["hypervolume"] >= 0
    assert "front" not in nas.leaderboard(path).drop(columns="front")


def test_the_command_shows_several_searches_and_means(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["nas", "leaderboard", *arguments, "--store", f"sqlite:///{store}"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    assert "2 searches of larger: a, b" in said("a", "b")
    means = "--problem", "larger", "--over-seeds"
    out = said(*means)
    assert "3 searches" in out
    assert "±" in out
    rows = json.loads(said(*means, "--format", "json"))
    assert {"a", "b", "same"} == set(rows[0]["searches"])
    for format in ("csv", "markdown"):
        assert "accuracy" in said(*means, "--format", format)


def test_over_seeds_a_network_names_all_that_its_trainings_ran_on(store: Path, tmp_path: Path) -> None:
    with Store(store) as opened, Store(tmp_path / "copy.db", create=True) as copy:
        opened.copy(copy, "a")
        record = copy.search("a")
        (number,) = copy.reruns.of_search(record.id)
        for rerun in copy.reruns.of_search(record.id)[number]:
            assert rerun.ran["device"] == "cpu"
            copy.reruns.keep(record.id, replace(rerun, ran={**rerun.ran, "device": "NVIDIA H100"}))
        board = nas.leaderboard(copy, "a", over_seeds=True)
        devices = board.set_index("n")["device"]
        assert devices[3] == "cpu, NVIDIA H100"
        assert set(devices[1]) == {"cpu"}
        assert set(board["precision"]) == {"float32"}
