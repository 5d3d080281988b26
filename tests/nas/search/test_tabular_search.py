"""Searches on tables of measured networks, on simulated workers, by the real loop and its store."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mortal_workers import Killed, Mortal
from stored import trials

import nas
from benchmarks.driving import drive
from benchmarks.measured import nb201
from controllers import Outcome, Proposal, RegularizedEvolution, at_most, maximize
from controllers.fidelity import Hyperband, SuccessiveHalving
from nas import Search, leaderboard
from nas.description import training_seed
from nas.search.callbacks import OnTurn
from nas.search.progress import Progress
from nas.store.store import Store
from search_spaces import Classification, Signature, Space, Vector, integer
from search_spaces.architecture import Architecture
from search_spaces.errors import SearchError, UnknownNameError
from workers.job import Finished, Job
from workers.problems import Problem
from workers.tabular import Answer, Simulated, Table
from workers.trial import trial


def _learns(architecture: Architecture) -> Answer | None:
    """A power law whose end its first epochs do not quite foretell; one in twelve fails."""
    a, b = architecture.value["a"], architecture.value["b"]
    if (a + b) % 12 == 0:
        return None
    end, speed = a / 100, 0.2 + b / 50
    curve = tuple(({"accuracy": end * (1 - (t + 1) ** -speed)}, float(t)) for t in range(1, 10))
    return Answer(curve[-1][0], 9.0, {"accuracy": curve[-1][0]["accuracy"]}, epochs=curve)


def press_ctrl_c(progress: Progress) -> None:
    """Ends a search in which three trials, or more, are over."""
    if progress.trials >= 3:
        raise KeyboardInterrupt


@pytest.fixture
def curves() -> Table:
    space = Space({"a": integer(0, 99), "b": integer(0, 49)})
    return Table("curves", space, Signature({"row": Vector(1)}, {"kind": Classification(2)}), _learns)


def make(table: Table, tmp_path: Path, executor: Any = None, **options: Any) -> Search:
    controller = options.pop("controller", "evolution")
    chosen = {"store": tmp_path / "store.db", "executor": executor or Simulated()} | options
    return Search(table.space, table, controller, **chosen)


def what_happened(search: Search) -> list[Any]:
    with Store(search.store) as store:  # type: ignore[arg-type]
        record = store.search(search.name)
        reports = [[r.epoch for r in store.reports(record.id, t.number)] for t in trials(search)]
        legs = [(leg.number, leg.until, leg.told_step, leg.metrics) for leg in store.legs(record.id)]
    rows = [(dict(t.decisions), t.status, t.told_step, t.metrics, t.epochs) for t in trials(search)]
    return [rows, reports, legs]


# -- tables ------------------------------------------------------------------------------------------------


def test_a_search_and_the_benchmarks_driver_see_the_same_sequence(tmp_path: Path) -> None:
    table = nb201()
    search = make(table, tmp_path, Simulated(4), trials=40, seed=3)
    search.run()
    controller = RegularizedEvolution(table.space, maximize("accuracy"), seed=3)
    driven = drive(controller, table, trials=40, workers=4)
    ended = sorted(trials(search), key=lambda trial: trial.told_step or 0)
    assert [trial.metrics["accuracy"] for trial in ended] == [s.metrics["accuracy"] for s in driven.seen]


def test_eight_simulated_workers_end_seven_times_as_soon_as_one(tmp_path: Path) -> None:
    seconds = []
    for workers in (1, 8):
        executor = Simulated(workers)
        make(nb201(), tmp_path, executor, trials=120, name=f"with {workers}").run()
        seconds.append(executor.clock())
    assert seconds[0] / seconds[1] >= 7


@pytest.mark.slow
def test_seconds_are_those_of_the_workers_clock(tmp_path: Path) -> None:
    executor = Simulated(8)
    search = make(nb201(), tmp_path, executor, seconds=12_000)
    search.run()
    assert search.reason == "12000 seconds are over"
    assert 12_000 <= executor.clock() < 13_000
    with Store(tmp_path / "store.db") as store:
        assert store.search().elapsed_seconds == pytest.approx(executor.clock(), abs=60)


@pytest.mark.parametrize("ending", [{"seconds": 15}, {"callbacks": [OnTurn(press_ctrl_c)]}])
def test_what_was_only_queued_when_a_search_ends_is_not_interrupted(
    curves: Table, tmp_path: Path, ending: dict[str, Any]
) -> None:
    search = make(curves, tmp_path, Simulated(2, queued=2), trials=60, seed=0, **ending)
    with suppress(KeyboardInterrupt):
        search.run()
    statuses = [trial.status for trial in trials(search)]
    assert statuses[-4:] == ["interrupted"] * 2 + ["queued"] * 2
    assert statuses.count("interrupted") == 2
    whole = make(curves, tmp_path, Simulated(2, queued=2), trials=60, seed=0, name="whole")
    whole.run()
    again = make(curves, tmp_path, Simulated(2, queued=2), trials=60, seed=0, name=search.name)
    again.run(resume=True)
    assert {trial.status for trial in trials(again)} == {"complete", "failed"}
    assert [dict(t.decisions) for t in trials(again)][:4] == [dict(t.decisions) for t in trials(whole)][:4]


def test_what_was_trained_in_part_stays_interrupted_when_it_is_only_queued(
    curves: Table, tmp_path: Path
) -> None:
    first = make(curves, tmp_path, Simulated(4), seconds=5, seed=0)
    first.run()
    assert [trial.status for trial in trials(first)] == ["interrupted"] * 4
    again = make(curves, tmp_path, Simulated(1, queued=3), seconds=5, seed=0, name=first.name)
    again.extend(seconds=2).run(resume=True)
    assert [trial.status for trial in trials(again)] == ["interrupted"] * 4


def test_costs_that_a_table_knows_are_limited_without_a_network(tmp_path: Path) -> None:
    board = make(nb201(), tmp_path, trials=30, limits=[at_most("num_params", 500_000)]).run()
    assert set(board.status) == {"complete"}
    assert not board.feasible.all()
    assert board.feasible.iloc[0]


# -- trials that pause -------------------------------------------------------------------------------------


def test_trials_pause_and_the_best_go_on(curves: Table, tmp_path: Path) -> None:
    executor = Simulated(1)
    search = make(curves, tmp_path, executor, trials=40, fidelity=SuccessiveHalving(9, 1))
    board = search.run()
    assert len(board) == 40
    assert set(board.status) == {"complete", "paused", "failed"}
    measured = board[board.status != "failed"]
    assert list(measured.epochs) == sorted(measured.epochs, reverse=True)
    assert set(measured.epochs) == {1, 3, 9}
    assert set(measured[measured.epochs == 9].status) == {"complete"}
    assert list(measured["rank"]) == list(range(1, len(measured) + 1))
    # an epoch is trained and billed once
    assert executor.clock() == measured.seconds.sum() == measured.epochs.sum()
    _, reports, legs = what_happened(search)
    assert sorted(map(len, reports))[-len(measured) :] == sorted(measured.epochs)
    assert {until for _, until, _, _ in legs} == {1, 3, 9}


@pytest.mark.parametrize("fidelity", ["asha", "hyperband"])
def test_a_fidelity_goes_by_name(curves: Table, tmp_path: Path, fidelity: str) -> None:
    board = make(curves, tmp_path, Simulated(3), trials=30, fidelity=fidelity, epochs=9).run()
    assert board.epochs.max() == 9
    assert (board.status == "paused").any()


def test_a_search_for_fewer_trials_than_a_rung_still_trains_one_to_its_end(
    curves: Table, tmp_path: Path
) -> None:
    board = make(curves, tmp_path, trials=2, fidelity=SuccessiveHalving(9, 1), seed=1).run()
    assert list(board.epochs) == [9, 1]


@pytest.mark.parametrize(
    "fidelity",
    [SuccessiveHalving(9, 1), pytest.param(Hyperband(9, 1), marks=pytest.mark.slow)],
    ids=["asha", "hyperband"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_any_moment_and_resumed_nothing_is_lost_and_one_worker_does_the_same(
    curves: Table, tmp_path: Path, fidelity: Any, workers: int
) -> None:
    options = {"trials": 30, "fidelity": fidelity}
    whole = make(curves, tmp_path, Simulated(workers), name="whole", **options)
    whole.run()
    rng, kills = random.Random(workers), 0
    broken = make(curves, tmp_path, name="broken", **options)
    while True:
        broken.executor = Mortal(workers, rng.randrange(1, 15))
        try:
            broken.run(resume=kills > 0)
            break
        except Killed:
            kills += 1
    assert kills >= 3
    if workers == 1:
        assert what_happened(broken) == what_happened(whole)
    rows, reports, legs = what_happened(broken)
    assert len(rows) == 30
    for (_, status, _, _, epochs), reported in zip(rows, reports, strict=True):
        if status in ("complete", "paused"):
            assert reported == list(range(1, epochs + 1))
        else:
            assert status == "failed"
    assert all(told is not None for _, _, told, _ in legs)


def test_a_controller_that_learns_from_pauses_is_restored_with_what_it_observed(
    curves: Table, tmp_path: Path
) -> None:
    options = {"trials": 36, "fidelity": SuccessiveHalving(9, 3), "controller": "predictor"}
    whole = make(curves, tmp_path, Simulated(1), name="whole", **options)
    whole.run()
    broken = make(curves, tmp_path, Mortal(1, 120), name="broken", **options)
    with pytest.raises(Killed):
        broken.run()
    assert 24 <= len(trials(broken)) < 36
    broken.executor = Simulated(1)
    broken.run(resume=True)
    assert {trial.origin for trial in trials(whole)} == {"random", "model"}
    assert what_happened(broken) == what_happened(whole)


class Listener(RegularizedEvolution):
    """Keeps what it observes where all of its kind do."""

    heard: ClassVar[list[tuple[int, int, Outcome]]] = []

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        self.heard.append((proposal.number, epochs, outcome))


def test_a_search_that_goes_on_knows_the_epoch_before_each_pause(curves: Table, tmp_path: Path) -> None:
    options = {"trials": 20, "fidelity": SuccessiveHalving(9, 2), "controller": Listener}
    search = make(curves, tmp_path, Mortal(2, 40), name="search", **options)
    with pytest.raises(Killed):
        search.run()
    before_death = [*Listener.heard]
    Listener.heard.clear()
    search.executor = Simulated(2)
    search.run(resume=True)
    assert Listener.heard[: len(before_death)] == before_death
    learnt = {trial.number: _learns(search.space.architecture(trial.decisions)) for trial in trials(search)}
    assert before_death
    for number, epochs, outcome in Listener.heard:
        answer = learnt[number]
        assert answer is not None
        assert outcome.before == (answer.epochs[epochs - 2][0]["accuracy"],)


def test_a_finished_search_with_pauses_is_extended(curves: Table, tmp_path: Path) -> None:
    first = make(curves, tmp_path, trials=10, fidelity=SuccessiveHalving(9, 1), name="search")
    first.run()
    more = make(curves, tmp_path, trials=30, fidelity=SuccessiveHalving(9, 1), name="search")
    assert len(more.run(resume=True)) == 30
    assert (leaderboard(tmp_path / "store.db").status == "complete").sum() >= 2


def test_another_fidelity_is_another_search(curves: Table, tmp_path: Path) -> None:
    make(curves, tmp_path, trials=5, fidelity=SuccessiveHalving(9, 1), name="search").run()
    with pytest.raises(SearchError, match="its fidelity was"):
        make(curves, tmp_path, trials=9, fidelity=SuccessiveHalving(9, 3), name="search").run(resume=True)
    with pytest.raises(UnknownNameError, match="hyperbands"):
        make(curves, tmp_path, fidelity="hyperbands")
    with pytest.raises(SearchError, match="max_epochs is 9"):
        make(curves, tmp_path, fidelity=SuccessiveHalving(9, 1), epochs=5)


def test_networks_that_pause_learn_what_they_would_have_without(
    problem: Problem, networks: Space, tmp_path: Path
) -> None:
    search = Search(
        networks,
        problem,
        "random",
        trials=6,
        fidelity=SuccessiveHalving(4, 1, factor=2),
        executor="inline",
        store=tmp_path / "store.db",
        keep_weights=2,
    )
    board = search.run()
    assert list(board.epochs) == [4, 2, 2, 1, 1, 1]
    best = board.iloc[0]
    architecture = networks.architecture(trials(search)[best.number].decisions)
    job = Job(0, architecture, training_seed(0, best.id), epochs=4)
    *_, whole = trial.run(job, problem)
    assert isinstance(whole, Finished)
    assert best.accuracy == whole.metrics["accuracy"]
    assert best.loss == whole.metrics["loss"]
    found = nas.load(tmp_path / "store.db")
    assert found.weights == whole.weights.read()
    assert found.provenance["epochs"] == 4
    with Store(tmp_path / "store.db") as store:
        assert store.kept_weights(store.search().id) == set(board.number[:2])
