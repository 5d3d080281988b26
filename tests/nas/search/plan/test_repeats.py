"""Repeats: networks whose order is in doubt are trained again in the tail, and nothing is lost by a kill."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mortal_workers import Killed, Mortal, curves, seeded_curves

from controllers.objectives import maximize, minimize
from nas.description import training_seed
from nas.records import PlanChoice, Rerun, Trial
from nas.results.leaderboard import leaderboard
from nas.search.search import Search
from nas.store.store import Store
from search_spaces import Classification, Signature, Vector
from search_spaces.architecture import Architecture
from workers.tabular import Answer, Simulated, Table

NOISY = seeded_curves(0.05)


def _costly(architecture: Architecture, seed: int) -> Answer:
    found = NOISY.answer(architecture, seed)
    assert found is not None
    cost = {"cost": float(architecture.value["b"])}
    curve = tuple(({**values, **cost}, seconds) for values, seconds in found.epochs)
    return replace(found, metrics={**found.metrics, **cost}, epochs=curve)


COSTLY = Table("costly", NOISY.space, NOISY.signature, _costly, ("accuracy", "cost"), seeded=True)
"""The same curves with a second metric."""


def make(tmp_path: Path, executor: Simulated, table: Table = NOISY, **options: Any) -> Search:
    chosen: dict[str, Any] = {"store": tmp_path / "store.db", "epochs": 27, "name": "mine"} | options
    return Search(table.space, table, "random", executor=executor, **chosen)


def stored(search: Search) -> tuple[list[Trial], dict[int, list[Rerun]], list[PlanChoice]]:
    with Store(search.store) as store:  # type: ignore[arg-type]
        record = store.search(search.name)
        chosen = [one for one in store.choices(record.id) if one.part == "repeats"]
        return store.trials(record.id), store.reruns.of_search(record.id), chosen


def kept(search: Search) -> list[Trial]:
    """The trials whose weights are kept, with the results of the trainings whose weights they are.

    Of those that were trained again while their weights were kept it is the best training.
    """
    with Store(search.store) as store:  # type: ignore[arg-type]
        record = store.search(search.name)
        there, reruns = store.kept_weights(record.id), store.reruns.of_search(record.id)
        trials = {trial.number: trial for trial in store.trials(record.id)}
        found = store.of_kept_trainings(record.id, [trials[number] for number in sorted(there)])
    for one in found:
        own = trials[one.number]
        scores = {training_seed(0, own.architecture_id): own.score or 0.0}
        scores |= {run.seed: run.metrics["accuracy"] for run in reruns.get(one.number, ())}
        assert one.score == scores[training_seed(one.training, own.architecture_id)] >= (own.score or 0.0)
        assert one.training or one == own
    return found


@pytest.mark.parametrize("fidelity", ["full", "asha"])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_tail_is_for_the_order_of_the_best(tmp_path: Path, fidelity: str, workers: int) -> None:
    executor = Simulated(workers)
    search = make(tmp_path, executor, fidelity=fidelity, seconds=2000)
    board = search.run()
    trials, reruns, chosen = stored(search)
    assert executor.clock() <= 2000 * (1.01 if fidelity == "full" else 1), "what does not pause is cut off"
    assert sum(map(len, reruns.values())) >= 2
    assert {(one.value["number"], one.value["run"]) for one in chosen} >= {
        (number, run) for number, runs in reruns.items() for run in range(len(runs))
    }
    begun = chosen[0].at
    assert begun > 0.6 * 2000
    by_number = {trial.number: trial for trial in trials}
    for number, runs in reruns.items():
        trial = by_number[number]
        assert [run.epochs for run in runs] == [trial.epochs] * len(runs)
        seeds = {training_seed(1 + run, trial.architecture_id) for run in range(len(runs))}
        assert {run.seed for run in runs} == seeds, "those of a retraining"
    if workers == 4:  # one alone has no time to find out how noisy scores are
        assert board.iloc[0].trainings > 1, "one good run does not do"
        assert board.iloc[0].low <= board.iloc[0].estimate <= board.iloc[0].high


def test_weights_of_repeats_that_ended_better_are_kept_in_place_of_those_of_their_trials(
    tmp_path: Path,
) -> None:
    search = make(tmp_path, Simulated(4), seconds=2000)
    board = search.run().set_index("number")
    found = kept(search)
    assert any(one.training for one in found)
    assert len(found) == 5, "as many as a search keeps, the plain network not among its trials"
    assert board.index[0] in {one.number for one in found}, "what is handed over is what comes first"
    for one in found:
        row = board.loc[one.number]
        assert (row.training, row.accuracy, row.seconds) == (
            one.training, one.metrics["accuracy"], one.seconds
        )  # fmt: skip


def test_a_controller_and_the_budget_do_not_hear_of_repeats(tmp_path: Path) -> None:
    search = make(tmp_path, Simulated(2), seconds=2000)
    board = search.run()
    trials, reruns, _ = stored(search)
    assert reruns
    assert len(trials) == len(board)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.status for trial in trials} <= {"complete", "interrupted", "queued"}


def test_where_seeds_make_no_difference_nothing_is_repeated(tmp_path: Path) -> None:
    for name, options in {"same": {"table": curves(), "seconds": 1000}, "counted": {"trials": 20}}.items():
        search = make(tmp_path, Simulated(2), name=name, **options)
        search.run()
        assert stored(search)[1:] == ({}, []), name


@pytest.mark.parametrize(
    ("fidelity", "reason", "options"),
    [
        ("full", "2 objectives: none is", {"objectives": [maximize("accuracy"), minimize("cost")]}),
        ("asha", "2 objectives: none is", {"objectives": [maximize("accuracy"), minimize("cost")]}),
        ("full", "weights are inherited", {"inherit_weights": True}),
    ],
)
def test_where_no_network_is_estimated_a_choice_says_once_that_none_is_repeated_and_why(
    tmp_path: Path, fidelity: str, reason: str, options: dict[str, Any]
) -> None:
    search = make(tmp_path, Simulated(2), COSTLY, seconds=500, fidelity=fidelity, **options)
    board = search.run()
    _, reruns, chosen = stored(search)
    assert reruns == {}
    (one,) = chosen
    assert reason in one.reason
    assert one.at > 0.5 * 500
    assert board.estimate.isna().all()
    search.extend(seconds=800)
    search.executor = Simulated(2)
    search.run(resume=True)
    budgets = [500, search.description.budget.seconds]
    assert [one.value["budget"] for one in stored(search)[2]] == budgets, "anew, for the finals are, too"


def test_networks_of_several_tasks_are_estimated_by_their_mean_score(tmp_path: Path) -> None:
    tasks = {"color": Classification(2), "size": Classification(3)}
    names = ("score", "worst", "color.accuracy", "size.accuracy")

    def answer(architecture: Architecture, seed: int) -> Answer:
        luck = random.Random(f"{architecture.id} {seed}")
        values = [architecture.value[name] / 200 + 0.4 + luck.gauss(0, 0.03) for name in "ab"]
        metrics = dict(zip(names, (sum(values) / 2, min(values), *values), strict=True))
        return Answer(metrics, 20.0, metrics, epochs=((metrics, 20.0),))

    signature = Signature({"row": Vector(1)}, tasks)
    table = Table("tasks", NOISY.space, signature, answer, names, ("score", "maximize"), seeded=True)
    search = make(tmp_path, Simulated(4), table, seconds=2000, epochs=1)
    board = search.run()
    _, reruns, _ = stored(search)
    assert sum(map(len, reruns.values())) > 3
    assert board.estimate.notna().all(), "by the repeats: a mean over tasks is no share of examples"
    assert board.estimate.is_monotonic_decreasing
    first = board.iloc[0]
    assert first.trainings > 1
    assert first.gap == pytest.approx(first.test_score - first.estimate)
    again = board[board.training > 0]
    assert len(again)
    means = again[list(names[2:])].mean(axis=1)
    assert (again.score - means).abs().max() < 1e-12, "all metrics of a row are of one training"


def test_the_plain_network_is_repeated_as_long_as_nothing_is_above_it_for_sure(tmp_path: Path) -> None:
    plain = NOISY.space.plain().id

    def answer(architecture: Architecture, seed: int) -> Answer:
        worth = 0.93 if architecture.id == plain else 0.6 + 0.3 * architecture.value["a"] / 99
        luck = random.Random(f"{architecture.id} {seed}").gauss(0, 0.03)
        return Answer({"accuracy": worth + luck}, 20.0, epochs=(({"accuracy": worth + luck}, 20.0),))

    table = Table("plain", NOISY.space, NOISY.signature, answer, seeded=True)
    search = make(tmp_path, Simulated(2), table, seconds=2000, epochs=1, first=[{}])
    search.run()
    _, reruns, chosen = stored(search)
    assert [one.value["number"] for one in chosen].count(0) >= 2
    assert len(reruns[0]) >= 2
    assert "whether the plain network is the best is in doubt" in " ".join(one.reason for one in chosen)


def test_killed_at_any_moment_and_resumed_no_repeat_is_lost_or_counts_twice(tmp_path: Path) -> None:
    rng, kills = random.Random(1), 0
    search = make(tmp_path, Simulated(2), seconds=2000, fidelity="asha")
    seen: set[tuple[int, int]] = set()
    while True:
        search.executor = Mortal(2, rng.randrange(30, 120))
        try:
            board = search.run(resume=kills > 0)
            break
        except Killed:
            kills += 1
            there = {(n, run.seed) for n, runs in stored(search)[1].items() for run in runs}
            assert seen <= there
            seen = there
            kept(search)
    trials, reruns, chosen = stored(search)
    assert kills >= 3
    assert len({one.at for one in chosen}) > 1
    assert reruns
    counts = leaderboard(search.store, over_seeds=True).set_index(["id", "epochs"])["n"]
    for number, runs in reruns.items():
        assert len({run.seed for run in runs}) == len(runs)
        assert counts[trials[number].architecture_id, 27] == 1 + len(runs)
    assert (board.iloc[0].status, board.iloc[0].epochs) == ("complete", 27)
    assert {one.number for one in kept(search)} >= {board.iloc[0].number}
