"""Scores of untrained networks in a search: handed to its controller at a price, gone on with, refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted
from stored import trials
from torch import nn

from controllers import RandomSearch, maximize
from nas import Search
from nas.commands.options import given_options
from nas.description import Description
from nas.records import PlanChoice
from nas.search.hints import COUNTS, NetworkScores, hints_of
from nas.search.plan.hints import FEWEST, affordable, chosen_of
from nas.store.store import Store
from search_spaces import Space, layer
from search_spaces.catalog import cell, cnn, mlp, vit
from search_spaces.errors import SearchError, UnknownNameError
from workers import problems
from workers.problems import Problem
from workers.tabular import Simulated
from workers.zero_cost import score

LONG = 10_000.0  # seconds of a training, beside which no score takes long


class Pretending(Scripted):
    """Says that it trains."""

    trains = True


@pytest.fixture
def hinted(networks: Space, problem: Problem, tmp_path: Path) -> Callable[..., Search]:
    """Makes a search of networks that can be counted, whose trainings take long but are not done."""

    def make(controller: Any = "auto", **options: Any) -> Search:
        executor = options.pop("executor", None) or Pretending(seconds=LONG)
        chosen = {"store": tmp_path / "store.db", "name": "mine"} | options
        return Search(networks, problem, controller, executor=executor, **chosen)

    return make


def choices(search: Search) -> list[PlanChoice]:
    with Store(search.store) as store:  # type: ignore[arg-type]
        return [one for one in store.choices(store.search(search.name).id) if one.part == "hints"]


def proposed(search: Search) -> list[tuple[str, dict[str, Any]]]:
    return [(trial.origin, dict(trial.decisions)) for trial in trials(search)]


@pytest.mark.parametrize("space", [mlp(), cnn(), cell(), vit()], ids=["mlp", "cnn", "cell", "vit"])
def test_counts_are_those_of_the_scores_of_these_names(space: Any) -> None:
    digits = problems.load("digits")
    whole = Space({"model": space})
    scores = NetworkScores(digits, COUNTS)
    network = whole.plain()
    assert dict(zip(COUNTS, scores(network), strict=True)) == score(network, digits, COUNTS)


def test_a_score_that_a_network_does_not_have_is_none(problem: Problem, networks: Space) -> None:
    scores = NetworkScores(problem, ("num_params", "az_nas.trainability"))
    found = scores(networks.plain())
    assert found[0] > 0
    assert math.isnan(found[1])
    wrong = Space({"model": [layer(nn.Conv2d, out_channels=4, kernel_size=3)]}).plain()
    assert all(map(math.isnan, scores(wrong)))


def test_the_plan_hands_the_controller_what_it_can_afford_once_a_trial_says_what_trainings_take(
    hinted: Any,
) -> None:
    search = hinted(trials=14, prior="none", hints=COUNTS)
    search.run()
    (made,) = choices(search)
    assert made.value["scores"] == list(COUNTS)
    assert 0 < made.value["price"] < 0.01
    assert "of a network take" in made.reason
    assert trials(search)[0].origin == "plain"
    assert "scores" in {origin for origin, _ in proposed(search)}


def test_a_search_that_goes_on_proposes_what_one_does_that_was_never_interrupted(
    hinted: Any, tmp_path: Path
) -> None:
    whole = hinted(trials=24, store=tmp_path / "whole.db", hints=COUNTS)
    whole.run()
    first = hinted(trials=16, hints=COUNTS)
    first.run()
    again = hinted(trials=24, hints=COUNTS)
    again.run(resume=True)
    assert len(choices(again)) == 1
    assert proposed(again) == proposed(whole)


def test_no_score_is_looked_at_beside_trainings_that_are_as_short(hinted: Any) -> None:
    search = hinted(trials=12, executor=Pretending(seconds=1e-6), hints=COUNTS)
    search.run()
    (made,) = choices(search)
    assert made.value["scores"] == []
    assert made.reason.endswith("no network is scored before it is trained")


def test_scores_are_taken_in_order_as_far_as_they_are_cheap_beside_a_training() -> None:
    seconds = {("num_params",): 0.01, ("synflow",): 0.03, ("naswot",): 0.1}
    for training, workers, expected in (
        (1.0, 1, []),
        (0.01 * FEWEST / 0.05, 1, ["num_params"]),
        (0.01 * FEWEST / 0.05, 2, []),
        (10.0, 1, ["num_params", "synflow"]),
        (100.0, 4, ["num_params", "synflow", "naswot"]),
    ):
        names, price = chosen_of(seconds, training, workers)
        assert names == expected
        assert price * FEWEST <= 0.05
        assert price == pytest.approx(sum(seconds[(name,)] for name in names) * workers / training)


def test_what_a_score_takes_is_measured_on_networks_of_the_space(problem: Problem, networks: Space) -> None:
    controller = RandomSearch(networks, maximize("accuracy"), seed=3)
    value, reason = affordable(NetworkScores(problem, ("num_params",)), controller, LONG, 2)
    assert value["scores"] == ["num_params"]
    assert 0 < value["price"] < 0.01
    assert "num_params of a network take" in reason


@pytest.mark.parametrize("controller", ["auto", "predictor"])
def test_nobody_looks_at_scores_unless_told(hinted: Any, controller: str) -> None:
    named = hinted(controller, trials=12)
    assert named.description.hints == ()
    named.run()
    assert choices(named) == []


def test_scores_of_several_parts_are_known_by_these(hinted: Any) -> None:
    told = hinted("predictor", trials=12, hints=["num_params", "az_nas"], name="told")
    parts = [f"az_nas.{part}" for part in ("expressivity", "progressivity", "trainability", "complexity")]
    assert told.description.hints == ("num_params", *parts)


def test_none_can_be_said_and_older_searches_have_none(hinted: Any) -> None:
    none = hinted(hints=["none"])
    assert none.description.hints == ()
    kept = none.description.to_dict()
    del kept["hints"]
    assert Description.from_dict(kept).hints == ()


def test_a_search_goes_on_with_the_hints_that_it_began_with(hinted: Any) -> None:
    hinted(trials=6, hints=["none"]).run()
    again = hinted(trials=12, hints=COUNTS)
    again.run(resume=True)
    assert choices(again) == []
    with Store(again.store) as store:
        assert store.search("mine").description.hints == ()


def test_a_search_of_the_store_alone_has_the_hints_that_it_began_with(tmp_path: Path) -> None:
    for hints, kept in ((COUNTS, COUNTS), (["none"], ()), (["az_nas"], hints_of(["az_nas"]))):
        name, store = f"with {len(kept)}", tmp_path / "store.db"
        search = Search(mlp(), "digits", executor=Pretending(), store=store, name=name, trials=1, hints=hints)
        search.run()
        assert Search.from_store(store, name, executor=Pretending()).description.hints == kept


def test_what_is_no_score_and_what_cannot_be_scored_is_refused(hinted: Any) -> None:
    from mortal_workers import curves

    with pytest.raises(UnknownNameError, match="synfow"):
        hinted(hints=["synfow"])
    with pytest.raises(SearchError, match="stands alone"):
        hinted(hints=["none", "synflow"])
    table = curves()
    assert Search(table.space, table, executor=Simulated(1), trials=2).description.hints == ()
    with pytest.raises(SearchError, match="no networks to be scored"):
        Search(table.space, table, executor=Simulated(1), trials=2, hints=["num_params"])


def test_the_command_line_names_them_one_by_one() -> None:
    assert given_options({"hint": ["synflow", "naswot"]}) == {"hints": ["synflow", "naswot"]}
    assert hints_of(["synflow", "synflow"]) == ("synflow",)
