"""What trials say together: the best so far, the front, the importance of decisions, early against final
ranks.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded import EPOCHS, EVIL, record

import nas
from controllers.ranking import first_front, fronts, hypervolume
from nas import at_most, maximize, minimize
from nas.ranking import Ranking
from nas.records import EpochReport, Trial
from nas.results.best_so_far import best_after_each, front
from nas.results.importance import importances
from nas.results.learning_curves import correlations, stopped_early
from nas.store.store import Store
from search_spaces.errors import UnknownNameError


def trial(number: int, told_step: int | None = None, **values: Any) -> Trial:
    metrics = values.pop("metrics", {"accuracy": 0.5})
    step = number if told_step is None else told_step
    made = Trial(number, f"{number:016x}", {}, "complete", told_step=step, seconds=2.0, metrics=metrics)
    return replace(made, **values)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one search of 120 trials."""
    found = tmp_path_factory.mktemp("analysis") / "nas.db"
    with Store(found, create=True) as store:
        record(store, 120)
    return found


# -- best so far, front --------------------------------------------------------------------------------------


def test_best_so_far_follows_the_order_of_the_results_and_counts_failures() -> None:
    ended = [
        trial(0, told_step=9, metrics={"accuracy": 0.9}),
        trial(1, told_step=2, metrics={"accuracy": 0.4}),
        trial(2, told_step=3, status="failed", metrics={}),
        trial(3, told_step=4, metrics={"accuracy": 0.3}),
        trial(4, status="running", metrics={}),
    ]
    objective = maximize("accuracy")
    found = best_after_each(map(Ranking((objective,)).judge, ended), objective)
    assert [step.trial.number for step in found] == [1, 2, 3, 0]
    assert [step.best for step in found] == [0.4, 0.4, 0.4, 0.9]
    assert [step.value for step in found] == [0.4, None, 0.3, 0.9]
    assert [step.trials for step in found] == [1, 2, 3, 4]
    assert [step.seconds for step in found] == [2.0, 4.0, 6.0, 8.0]


def test_what_breaks_a_limit_is_never_the_best_so_far() -> None:
    small, large = {"loss": 2.0, "num_params": 5.0}, {"loss": 1.0, "num_params": 50.0}
    ended = [trial(0, metrics=large), trial(1, metrics=small)]
    objective = minimize("loss")
    ranking = Ranking((objective,), (at_most("num_params", 10),))
    found = best_after_each(map(ranking.judge, ended), objective)
    assert [step.best for step in found] == [None, 2.0]


def test_best_so_far_gives_a_frame_of_one_search_or_several(path: Path) -> None:
    frame = nas.best_so_far(path, [EVIL, 1])
    assert list(frame.columns) == ["search", "trials", "seconds", "number", "id", "value", "best"]
    assert len(frame) == 240
    own = frame.head(120)
    assert own["best"].is_monotonic_increasing
    assert own["best"].iloc[-1] == own["value"].max()
    assert own["seconds"].is_monotonic_increasing
    with pytest.raises(UnknownNameError, match="no objective named 'loss'"):
        nas.best_so_far(path, metric="loss")


def test_the_front_holds_what_no_other_beats_in_every_objective() -> None:
    objectives = [maximize("accuracy"), minimize("size")]
    points = [(0.9, 10.0), (0.8, 5.0), (0.7, 6.0), (0.5, 1.0)]
    ended = [trial(i, metrics={"accuracy": a, "size": s}) for i, (a, s) in enumerate(points)]
    judge = Ranking(tuple(objectives)).judge
    found = front(map(judge, [*ended, trial(9, status="failed", metrics={})]), objectives)
    assert found.numbers == (0, 1, 3)
    assert found.reference == (0.5, 10.0)
    assert found.hypervolume == pytest.approx(0.3 * 5.0)
    assert front([], objectives).numbers == ()


def test_the_front_of_a_search_is_a_part_of_its_leaderboard(tmp_path: Path) -> None:
    with Store(tmp_path / "nas.db", create=True) as store:
        record(store, 60, objectives=[maximize("accuracy"), minimize("num_params")])
        frame, whole = nas.pareto_front(store), nas.leaderboard(store)
    assert 1 < len(frame) < 20
    assert list(frame.columns) == list(whole.columns)
    assert frame["accuracy"].is_monotonic_decreasing
    assert frame["num_params"].is_monotonic_decreasing
    assert frame["accuracy"].iloc[0] == whole["accuracy"].max()
    assert frame.attrs["hypervolume"] > 0
    assert frame.attrs["reference"] == (whole["accuracy"].min(), whole["num_params"].max())


def test_the_first_front_is_that_of_the_full_sort() -> None:
    rng = random.Random(0)
    scores = [(rng.randrange(9), rng.randrange(9), rng.randrange(9)) for _ in range(200)]
    assert sorted(first_front(scores)) == sorted(fronts(scores)[0])


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_hypervolume_is_the_share_of_random_points_that_are_dominated(dimensions: int) -> None:
    rng = random.Random(dimensions)
    points = [tuple(rng.random() for _ in range(dimensions)) for _ in range(6)]
    drawn = [[rng.random() for _ in range(dimensions)] for _ in range(20_000)]
    under = sum(any(all(a >= b for a, b in zip(p, d, strict=True)) for p in points) for d in drawn)
    found = hypervolume(points, (0.0,) * dimensions)
    assert found == pytest.approx(under / len(drawn), abs=0.02)
    assert hypervolume(points, (1.0,) * dimensions) == 0.0


# -- importance ----------------------------------------------------------------------------------------------


def decided(count: int, **more: Any) -> list[Trial]:
    """Trials in which ``a`` decides much, ``b`` a little, ``c`` nothing; every other has no ``b``."""
    rng = random.Random(0)
    made = []
    for number in range(count):
        decisions: dict[str, Any] = {"a": rng.choice(["x", "y"]), "c": rng.randrange(10)}
        decisions |= {"b": rng.randrange(5)} if number % 2 else {}
        accuracy = 0.5 + 0.2 * (decisions["a"] == "y") + 0.02 * decisions.get("b", 0) + rng.gauss(0, 0.005)
        made.append(trial(number, decisions=decisions, metrics={"accuracy": accuracy}, **more))
    return made


def test_importance_puts_decisions_in_the_order_in_which_they_matter() -> None:
    found = importances(decided(150), maximize("accuracy"))
    assert [one.path for one in found.decisions] == ["a", "b", "c"]
    assert found.decisions[0].best == "y"
    strong, weak, none = (one.importance for one in found.decisions)
    assert strong > 0.5 > weak > 0.02 > none
    assert found.explained > 0.8
    assert found.trials == 150


def test_where_decisions_decide_nothing_the_model_says_that_it_explains_nothing() -> None:
    rng = random.Random(1)
    noise = [replace(one, metrics={"accuracy": rng.random()}) for one in decided(80)]
    found = importances(noise, maximize("accuracy"))
    assert found.explained < 0.1


def test_a_few_networks_that_did_not_learn_do_not_hide_what_matters() -> None:
    trials = decided(120)
    broken = [replace(one, metrics={"accuracy": -1e6}) for one in trials[:3]]
    found = importances([*broken, *trials[3:]], maximize("accuracy"))
    assert found.decisions[0].path == "a"


def test_importance_of_few_trials_is_not_told() -> None:
    assert importances(decided(9), maximize("accuracy")).decisions == ()
    same = [replace(one, metrics={"accuracy": 0.5}) for one in decided(50)]
    assert importances(same, maximize("accuracy")).decisions == ()


def test_importance_gives_a_frame(path: Path) -> None:
    frame = nas.importance(path)
    assert list(frame["decision"])[:2] == ["1.0.out_features", "normalisation"]
    assert list(frame["best"])[:2] == [256, "batch"]
    assert frame["importance"].is_monotonic_decreasing
    assert frame.attrs["trials"] == 108
    assert frame.attrs["explained"] > 0.7


# -- learning curves -----------------------------------------------------------------------------------------


def curve(*values: float) -> list[EpochReport]:
    return [EpochReport(epoch, {"accuracy": v}, None, 1.0, None) for epoch, v in enumerate(values, start=1)]


def test_early_ranks_are_correlated_with_the_last_of_those_trained_to_the_end() -> None:
    ends = [0.1, 0.2, 0.3, 0.4, 0.5]
    curves = {i: curve(-end, end, end) for i, end in enumerate(ends)} | {9: curve(0.9)}
    assert stopped_early(curves) == {9}
    found = correlations(curves, "accuracy")
    assert [(one.epoch, one.trials) for one in found] == [(1, 5), (2, 5)]
    assert [one.spearman for one in found] == pytest.approx([-1.0, 1.0])


def test_a_correlation_of_three_trials_or_of_equal_values_is_not_told() -> None:
    assert correlations({i: curve(i, i) for i in range(3)}, "accuracy") == []
    assert correlations({i: curve(0.5, i) for i in range(6)}, "accuracy") == []


def test_curves_give_a_row_for_each_epoch_the_best_trial_first(path: Path) -> None:
    frame = nas.curves(path)
    best = nas.leaderboard(path)["id"]
    with_curves = [id for id in best if id in set(frame["id"])]
    assert (
        list(dict.fromkeys(frame[frame["status"] != "failed"]["id"]))
        == with_curves[: len(set(frame["id"])) - 3]
    )
    first = frame[frame["id"] == frame["id"].iloc[0]]
    assert list(first["epoch"]) == list(range(1, EPOCHS + 1))
    assert {"number", "accuracy", "loss", "train_loss", "seconds"} <= set(frame.columns)
    assert nas.curves(path, top=0).empty


def test_rank_correlation_gives_a_frame(path: Path) -> None:
    frame = nas.rank_correlation(path)
    assert list(frame["epoch"]) == list(range(1, EPOCHS))
    assert frame["spearman"].tolist() == pytest.approx([1.0] * (EPOCHS - 1))
    assert not any(math.isnan(value) for value in frame["spearman"])
