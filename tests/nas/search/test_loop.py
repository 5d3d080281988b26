"""The loop of a search: what is asked, told and recorded, and that any death of it loses nothing."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted, by_decisions
from stored import trials

import nas.search.loop
from controllers import Outcome, Proposal, RandomSearch, RegularizedEvolution, Reinforce
from controllers.base import Draft
from nas import Search, at_least, at_most, maximize, minimize
from nas.records import Trial
from nas.search.callbacks import OnTurn
from nas.store.store import Store
from search_spaces import Space, choice, integer
from search_spaces.errors import ExecutorError, SearchError
from workers.job import Failed, Job
from workers.problems import Problem


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours runs after it."""


def proposals(search: Search) -> list[dict[str, Any]]:
    return [dict(trial.decisions) for trial in trials(search)]


class Repeating(RandomSearch):
    """Proposes the same networks again and again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, repeats=True)
        self.told: list[tuple[str, Outcome]] = []

    def _propose(self) -> Draft:
        return Draft(self.space.architecture({"a": self.num_asked % 2, "b": 0, "op": "x"}))

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self.told.append((proposal.architecture.id, outcome))


# -- an unbroken run ----------------------------------------------------------------------------------------


def test_a_search_trains_as_many_networks_as_were_asked_for_and_no_network_twice(make: Any) -> None:
    search = make(trials=30, executor=Scripted(slots=4, order="any", at_once=3))
    board = search.run()
    assert len(board) == board["id"].nunique() == 30
    assert set(board["status"]) == {"complete"}
    assert list(board["accuracy"]) == sorted(board["accuracy"], reverse=True)
    assert search.executor.most_in_flight == 4
    assert not search.executor.is_open
    assert [trial.number for trial in trials(search)] == list(range(30))


def test_every_trial_is_recorded_with_its_epochs_costs_times_and_lineage(make: Any) -> None:
    search = make(RegularizedEvolution(make().space, maximize("accuracy"), population=5), trials=20)
    search.run()
    with Store(search.store) as store:
        record = store.search(search.name)
        for trial in store.trials(record.id):
            assert set(trial.metrics) == {"loss", "accuracy", "num_params"}
            assert trial.test_metrics == {k: v for k, v in trial.metrics.items() if k != "num_params"}
            assert (trial.epochs, trial.seconds) == (1, 0.5)
            assert trial.started_at == pytest.approx(time.time(), abs=60)
            assert [report.epoch for report in store.reports(record.id, trial.number)] == [1]
        ids = {trial.architecture_id for trial in store.trials(record.id)}
        mutants = [trial for trial in store.trials(record.id) if trial.origin == "mutation"]
        assert mutants
        assert all(set(trial.parents) <= ids for trial in mutants)
        assert (record.status, record.reason) == ("finished", "20 trials are done")
        assert record.driver is None


def test_the_proposals_depend_on_the_order_of_results_and_not_on_how_many_come_at_once(make: Any) -> None:
    singly = make(trials=40, name="singly", executor=Scripted(slots=4, at_once=1))
    in_bulk = make(trials=40, name="in bulk", executor=Scripted(slots=4, at_once=4))
    singly.run()
    in_bulk.run()
    assert proposals(singly) == proposals(in_bulk)


def test_weights_are_kept_of_the_best_networks_only(make: Any) -> None:
    search = make(trials=25, keep_weights=3, executor=Scripted(slots=3, order="any"))
    board = search.run()
    with Store(search.store) as store:
        record = store.search()
        assert store.kept_weights(record.id) == set(board["number"][:3])
        best = board.iloc[0]
        assert store.weights(record.id, int(best["number"])) == best["id"].encode()


def test_of_networks_that_do_equally_well_the_first_keeps_its_weights(make: Any) -> None:
    search = make(
        trials=9,
        keep_weights=1,
        executor=Scripted(lambda job: {"loss": 1.0, "accuracy": 0.5}, slots=3, order="last"),
    )
    board = search.run()
    with Store(search.store) as store:
        assert store.kept_weights(store.search().id) == {board["number"][0]} == {0}


def test_weights_can_be_kept_of_no_network(make: Any) -> None:
    search = make(trials=3, keep_weights=0)
    search.run()
    with Store(search.store) as store:
        assert store.kept_weights(store.search().id) == set()


def test_several_objectives_rank_by_front_and_keep_the_weights_of_the_first(make: Any) -> None:
    def outcome(job: Job) -> dict[str, float]:
        return by_decisions(job) | {"loss": job.architecture.decisions["a"] / 999}  # type: ignore[operator]

    search = make(objectives=[maximize("accuracy"), minimize("loss")], trials=30, executor=Scripted(outcome))
    board = search.run()
    best = board.iloc[0]
    assert not ((board["accuracy"] > best["accuracy"]) & (board["loss"] < best["loss"])).any()
    with Store(search.store) as store:
        assert int(best["number"]) in store.kept_weights(store.search().id)


def test_a_search_ends_at_its_target_and_gives_up_what_is_running(make: Any) -> None:
    search = make(target=0.9, executor=Scripted(slots=3))
    board = search.run()
    assert board["accuracy"].max() >= 0.9
    assert (board["accuracy"].dropna() >= 0.9).sum() == 1
    assert set(board["status"]) == {"complete", "interrupted"}
    assert search.reason.endswith("reached the target")


def test_a_target_to_be_undercut_is_reached_from_above(make: Any) -> None:
    board = make(objectives=minimize("loss"), target=0.2).run()
    assert board["loss"][0] <= 0.2
    assert (board["loss"][1:] > 0.2).all()


class Hourly(Scripted):
    """Each trial takes an hour of its clock."""

    def clock(self) -> float:
        return 3600.0 * self.ended


def test_a_search_ends_when_its_seconds_are_over(make: Any) -> None:
    search = make(seconds=10 * 3600.0, executor=Hourly())
    search.run()
    assert search.executor.ended == 10
    assert search.reason == "36000 seconds are over"


def test_a_search_ends_when_every_network_has_been_tried(make: Any) -> None:
    search = make(on=Space({"a": integer(1, 7), "b": choice("x", "y")}), trials=100)
    board = search.run()
    assert len(board) == board["id"].nunique() == 14
    assert search.reason == "every network of the space has been tried"


def test_a_space_of_one_network_is_searched(make: Any) -> None:
    assert len(make(on=Space({"a": choice(1)}), trials=5).run()) == 1


# -- repeats ------------------------------------------------------------------------------------------------


def test_a_repeat_is_answered_from_the_record_and_counted(make: Any) -> None:
    search = make(Repeating, trials=10, executor=Scripted(ran=lambda job: {"device": f"card {job.number}"}))
    board = search.run()
    assert len(search.executor.started) == len(board) == 2
    ended = trials(search)
    assert [trial.status for trial in ended] == ["complete"] * 2 + ["repeated"] * 8
    assert all(trial.metrics == ended[trial.number % 2].metrics for trial in ended)
    assert [trial.ran["device"] for trial in ended] == ["card 0", "card 1"] * 5
    told = search.controller.told
    assert told == told[:2] * 5


def test_a_repeat_of_what_is_being_trained_waits_for_it(make: Any) -> None:
    search = make(Repeating, trials=9, executor=Scripted(slots=2, order="last"))
    search.run()
    assert len(search.executor.started) == 2
    assert len(search.controller.told) == 9


def test_a_repeat_of_a_failure_is_told_as_a_failure(make: Any) -> None:
    def failing(job: Job) -> Failed:
        return Failed(job.number, "exception", "no", "", False, 0.1)

    search = make(Repeating, trials=6, executor=Scripted(failing))
    search.run()
    assert len(search.executor.started) == 2
    assert all(outcome.failed for _, outcome in search.controller.told)
    assert [trial.reason for trial in trials(search)] == ["exception"] * 6


# -- failures, limits, numbers that are none ----------------------------------------------------------------


def test_failures_are_recorded_told_and_counted(make: Any) -> None:
    def outcome(job: Job) -> dict[str, float] | Failed:
        if job.number % 3 == 0:
            return Failed(job.number, "out_of_memory", "too\0 big \ud800", "Traceback ...", False, 0.1)
        return by_decisions(job)

    search = make(trials=30, executor=Scripted(outcome, slots=3))
    board = search.run()
    assert list(board["status"]) == ["complete"] * 20 + ["failed"] * 10
    failed = board[board["status"] == "failed"]
    assert set(failed["reason"]) == {"out_of_memory"}
    assert failed["rank"].isna().all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metrics_that_are_no_numbers_neither_win_nor_end_the_search(make: Any, value: float) -> None:
    def outcome(job: Job) -> dict[str, float]:
        return {"loss": value, "accuracy": value} if job.number % 2 else by_decisions(job)

    search = make(trials=10, objectives=[maximize("accuracy"), minimize("loss")], executor=Scripted(outcome))
    search.run()
    board = make(trials=14, name=search.name, objectives=search.description.objectives).run(resume=True)
    assert len(board) == 14
    assert board["accuracy"][:9].between(0, 1).all()
    assert not board["accuracy"][9:].between(0, 1).any()


def test_networks_over_a_limit_on_costs_are_told_and_never_trained(
    make: Any, networks: Space, problem: Problem
) -> None:
    search = make(on=networks, limits=at_most("num_params", 60), trials=8)
    board = search.run()
    assert len(board) == 8
    for job in search.executor.started:
        assert job.architecture.cost(problem.signature).num_params <= 60
    over = [trial for trial in trials(search) if trial.status == "infeasible"]
    assert over
    assert all(trial.metrics["num_params"] > 60 and trial.reason == "limit" for trial in over)
    assert len(search.leaderboard()) == 8
    assert search.controller.num_told == 8 + len(over)


def test_a_limit_that_no_network_respects_ends_the_search_with_an_error(make: Any) -> None:
    from torch import nn

    from search_spaces import layer, sequential

    wide = sequential(layer(nn.Linear, out_features=integer(10, 10**6)))
    search = make(on=wide, limits=at_most("num_params", 1), trials=3, rejections=30)
    with pytest.raises(SearchError, match=r"all broke a limit \(num_params <= 1\)"):
        search.run()
    with Store(search.store) as store:
        assert store.search().state == "stopped"
        assert store.count_trials(1, ("infeasible",)) == 30


def test_a_network_whose_costs_cannot_be_found_is_a_failure(make: Any, problem: Problem) -> None:
    from torch import nn

    from search_spaces import layer, sequential

    wrong = sequential(
        layer(nn.Unflatten, dim=1, unflattened_size=integer(3, 9)), layer(nn.Linear, out_features=2)
    )
    search = make(on=wrong, limits=at_most("num_params", 100), trials=4)
    board = search.run()
    assert list(board["reason"]) == ["build"] * 4
    assert search.executor.started == []


def test_a_limit_on_a_trained_metric_ranks_what_breaks_it_last(make: Any) -> None:
    search = make(objectives=minimize("loss"), limits=at_least("accuracy", 0.5), trials=20)
    search.executor = Scripted(lambda job: {"loss": by_decisions(job)["accuracy"], **_accuracy(job)})
    board = search.run()
    feasible = int(board["feasible"].sum())
    assert 0 < feasible < 20
    assert (board["accuracy"][:feasible] >= 0.5).all()
    assert list(board["loss"][:feasible]) == sorted(board["loss"][:feasible])
    assert (board["accuracy"][feasible:] < 0.5).all()


def _accuracy(job: Job) -> dict[str, float]:
    return {"accuracy": by_decisions(job)["accuracy"]}


def test_a_controller_that_knows_no_limits_hears_a_failure_where_one_is_broken(
    make: Any, networks: Space
) -> None:
    told: list[Outcome] = []

    class Listening(RandomSearch):
        def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
            told.append(outcome)

    def controller(space: Space, objectives: Any, *, limits: Any, seed: int) -> Listening:
        return Listening(space, objectives, seed=seed)

    make(controller, on=networks, limits=at_most("num_params", 60), trials=4).run()
    assert sum(not outcome.failed for outcome in told) == 4
    assert any(outcome.failed for outcome in told)


# -- death at any moment ------------------------------------------------------------------------------------

CONTROLLERS = {
    "random": "random",
    "evolution": lambda space, objectives, **options: RegularizedEvolution(
        space, objectives, population=6, **options
    ),
    "reinforce": Reinforce,
    "repeating": Repeating,
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "reinforce")) for kind in CONTROLLERS]
)
@pytest.mark.parametrize("slots", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_moment_and_resumed_a_search_proposes_what_an_unbroken_one_does(
    make: Any, monkeypatch: pytest.MonkeyPatch, kind: str, slots: int
) -> None:
    """One worker, with and without a job queued behind the one that it runs."""
    unbroken = make(CONTROLLERS[kind], trials=20, name="unbroken", executor=Scripted(slots=slots))
    unbroken.run()
    rng, kills = random.Random(kind), 0
    broken = make(CONTROLLERS[kind], trials=20, name="broken", executor=Scripted(slots=slots))
    resume = False
    while True:
        with monkeypatch.context() as dying:
            _die_somewhere(dying, rng)
            broken.executor = Scripted(slots=slots)
            try:
                broken.run(resume=resume)
                break
            except Killed:
                kills += 1
                resume = resume or bool(_searches(broken, "broken"))
    assert kills >= 1
    assert proposals(broken) == proposals(unbroken)
    for one, other in zip(trials(broken), trials(unbroken), strict=True):
        assert (one.status, one.metrics, one.told_step) == (other.status, other.metrics, other.told_step)
    with Store(broken.store) as store:
        assert store.kept_weights(store.search("broken").id) == store.kept_weights(
            store.search("unbroken").id
        )
        for trial in trials(broken):
            epochs = [report.epoch for report in store.reports(store.search("broken").id, trial.number)]
            assert epochs == ([1] if trial.status == "complete" else [])


def _searches(search: Search, name: str) -> list[str]:
    with Store(search.store) as store:
        return [record.name for record in store.searches() if record.name == name]


def _die_somewhere(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """From one of the places where a process may die on, it is dead: nothing more reaches the store."""
    from nas.store.transaction import Transaction

    countdown = rng.randrange(15)
    dead = False
    flush = Transaction.flush

    def die(*_: Any) -> None:
        nonlocal dead
        dead = True
        raise Killed

    def step(then: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            nonlocal countdown
            countdown -= 1
            if dead or countdown < 0:
                die()
            return then(*args, **options)

        return stepped

    def flush_then_step(self: Transaction, connection: Any) -> None:
        if dead:
            die()
        flush(self, connection)
        step(lambda: None)()  # before the commit: all of it is lost

    monkeypatch.setattr(Transaction, "flush", flush_then_step)
    monkeypatch.setattr(Scripted, "start", step(Scripted.start))
    monkeypatch.setattr(Scripted, "events", step(Scripted.events))
    monkeypatch.setattr(Scripted, "open", step(Scripted.open))


@pytest.mark.parametrize("order", ["first", "last", "any"])
def test_with_many_workers_and_many_deaths_no_result_is_lost_and_none_counted_twice(
    make: Any, order: Any
) -> None:
    rng = random.Random(order)
    search = make(trials=60, name="search")
    finished: dict[int, Trial] = {}
    for attempt in range(100):
        dies_after = rng.randrange(1, 12)

        def before(ended: int, dies_after: int = dies_after) -> None:
            if ended >= dies_after:
                raise Killed

        search.executor = Scripted(slots=8, order=order, at_once=3, before=before)
        try:
            search.run(resume=attempt > 0)
            break
        except Killed:
            now = {trial.number: trial for trial in trials(search) if trial.status == "complete"}
            assert finished.items() <= now.items()
            finished = now
    ended = trials(search)
    assert len(ended) == 60
    assert {trial.status for trial in ended} == {"complete"}
    assert len({trial.architecture_id for trial in ended}) == 60


def test_what_waits_for_its_twin_is_answered_after_a_death_of_the_driver(make: Any) -> None:
    def die(ended: int) -> None:
        raise Killed

    search = make(Repeating, trials=5, executor=Scripted(slots=3, before=die))
    with pytest.raises(Killed):
        search.run()
    assert [trial.status for trial in trials(search)] == ["interrupted"] * 2 + ["queued"] * 3
    search.executor = Scripted(slots=3)
    search.run(resume=True)
    assert [trial.status for trial in trials(search)] == ["complete"] * 2 + ["repeated"] * 3
    assert len(search.executor.started) == 2


def test_a_driver_with_fewer_workers_goes_on_with_one_trial_after_another(make: Any) -> None:
    def die(ended: int) -> None:
        raise Killed

    search = make(trials=12, executor=Scripted(slots=8, before=die))
    with pytest.raises(Killed):
        search.run()
    search.executor = Scripted(slots=2)
    assert len(search.run(resume=True)) == 12
    assert search.executor.most_in_flight == 2
    assert [job.number for job in search.executor.started] == list(range(12))


def test_an_executor_that_fails_ends_the_search_and_leaves_it_resumable(make: Any) -> None:
    def outcome(job: Job) -> dict[str, float] | ExecutorError:
        return ExecutorError("the cluster is gone") if job.number == 5 else by_decisions(job)

    search = make(trials=10, executor=Scripted(outcome, slots=2))
    with pytest.raises(ExecutorError, match="the cluster is gone"):
        search.run()
    with Store(search.store) as store:
        record = store.search()
        assert (record.status, record.reason) == ("stopped", "ExecutorError: the cluster is gone")
    assert not search.executor.is_open
    assert [trial.status for trial in trials(search)] == ["complete"] * 5 + ["interrupted"] * 2
    search.executor = Scripted()
    assert len(search.run(resume=True)) == 10


def test_weights_that_are_gone_cost_the_weights_and_not_the_result(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.job import HeldWeights

    def gone(self: HeldWeights) -> bytes:
        raise ExecutorError("these weights are gone")

    monkeypatch.setattr(HeldWeights, "read", gone)
    messages: list[str] = []
    search = make(trials=3, callbacks=[OnTurn(lambda progress: messages.extend(progress.messages))])
    board = search.run()
    assert set(board["status"]) == {"complete"}
    assert len(messages) == 3
    assert all("gone" in message for message in messages)


@pytest.mark.parametrize("place", ["open", "start", "events", "close"])
def test_ctrl_c_at_any_place_leaves_a_search_that_says_so_and_goes_on(
    make: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    search = make(trials=6)
    with monkeypatch.context() as pressing:

        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        pressing.setattr(Scripted, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            search.run()
    with Store(search.store) as store:
        assert (store.search().state, store.search().reason) == ("stopped", "interrupted")
    assert len(search.run(resume=True)) == 6


def test_ctrl_c_while_the_past_is_replayed_leaves_it_as_it_was(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = make(trials=6)
    search.run()
    with monkeypatch.context() as pressing:

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        pressing.setattr(nas.search.loop.Planner, "repeat", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search.run(resume=True)
    before = trials(search)
    search.description = search.description.with_end(8, None, None)
    search.run(resume=True)
    assert trials(search)[:6] == before
    assert len(trials(search)) == 8


# -- budgets over several drivers ---------------------------------------------------------------------------


def test_a_finished_search_that_is_resumed_ends_at_once_without_an_executor(make: Any) -> None:
    search = make(trials=5)
    board = search.run()
    search.executor = Scripted(lambda job: RuntimeError("not to be asked"))
    again = search.run(resume=True)
    assert again.equals(board)
    assert search.reason == "5 trials are done"


def test_seconds_are_those_of_all_drivers_together(make: Any) -> None:
    search = make(seconds=10 * 3600.0, executor=Hourly())

    def stop(progress: Any) -> None:
        if progress.elapsed > 6.5 * 3600:
            raise KeyboardInterrupt

    search.callbacks.append(OnTurn(stop))
    with pytest.raises(KeyboardInterrupt):
        search.run()
    search.callbacks.clear()
    search.executor = Hourly()
    search.run(resume=True)
    assert search.executor.ended == 3
    with Store(search.store) as store:
        assert store.search().elapsed_seconds == pytest.approx(10 * 3600, abs=1800)


def test_trials_that_an_earlier_end_gave_up_are_not_run_beyond_a_later_budget(make: Any) -> None:
    search = make(target=0.8, executor=Scripted(slots=4))
    search.run()
    done = sum(trial.status == "complete" for trial in trials(search))
    search.description = search.description.with_end(done, None, None)
    search.run(resume=True)
    assert sum(trial.status == "complete" for trial in trials(search)) == done
    search.description = search.description.with_end(done + 2, None, None)
    search.run(resume=True)
    assert sum(trial.status == "complete" for trial in trials(search)) == done + 2


def test_a_search_in_memory_can_be_run_looked_at_and_gone_on_with(make: Any) -> None:
    search = make(trials=5, store="sqlite://")
    assert len(search.run()) == len(search.leaderboard()) == 5
    search.description = search.description.with_end(8, None, None)
    assert len(search.run(resume=True)) == 8
    assert len(nas.leaderboard(search.store, top=3)) == 3


def test_a_search_runs_in_a_store_of_either_kind(make: Any, url: str) -> None:
    search = make(trials=20, store=url, executor=Scripted(slots=3, order="any"))
    board = search.run()
    with Store(url) as store:
        record = store.search()
        assert store.kept_weights(record.id) == set(board["number"][:5])
    search.description = search.description.with_end(25, None, None)
    assert len(search.run(resume=True)) == 25


def test_a_search_runs_in_a_store_that_was_opened_before(make: Any, tmp_path: Path) -> None:
    with Store(tmp_path / "mine.db", create=True) as store:
        search = make(trials=4, store=store)
        search.run()
        assert len(store.trials(store.search().id)) == 4
