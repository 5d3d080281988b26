"""A search takes what people give it, goes on only as what it was, and has one driver."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scripted import Scripted

import nas
from controllers import RandomSearch, RegularizedEvolution, catalog
from nas import Search, at_least, at_most, maximize, minimize
from nas.lease import Driver, new_driver, release
from nas.search.callbacks import OnTurn
from nas.store.store import Store
from search_spaces import Space, choice, integer
from search_spaces.errors import NasError, SearchError, StoreError, UnknownNameError
from workers.job import Finished
from workers.problems import Problem


@pytest.fixture
def make(problem: Problem, space: Space, tmp_path: Path) -> Callable[..., Search]:
    def search(controller: Any = "random", *, on: Any = None, of: Any = None, **options: Any) -> Search:
        options = {"store": tmp_path / "store.db", "executor": Scripted(), "trials": 3} | options
        return Search(on or space, of or problem, controller, **options)

    return search


# -- what it is given --------------------------------------------------------------------------------------


def test_real_networks_are_trained_and_the_best_is_loaded_with_its_weights(
    problem: Problem, networks: Space, tmp_path: Path
) -> None:
    search = Search(
        networks, problem, trials=4, executor="inline", store=tmp_path / "s.db", epochs=2, keep_weights=2
    )
    board = search.run()
    assert list(board["epochs"]) == [2] * 4
    network = nas.load(tmp_path / "s.db").build()
    answers = network(problem.test.inputs[next(iter(problem.test.inputs))]).argmax(1)
    targets = next(iter(problem.test.targets.values()))
    assert float((answers == targets).float().mean()) == pytest.approx(board["test_accuracy"][0])


@pytest.mark.parametrize(
    "controller",
    [
        *catalog,
        *catalog.values(),
        lambda space, objectives, **options: RegularizedEvolution(space, objectives, population=4, **options),
    ],
)
def test_a_controller_is_a_name_a_class_or_a_function(make: Any, controller: Any) -> None:
    search = make(controller)
    assert len(search.run()) == 3
    with Store(search.store) as store:
        assert store.search().stored["controller"] in catalog


def test_a_controller_that_was_made_before_is_left_as_it_was(make: Any, space: Space) -> None:
    controller = RegularizedEvolution(space, minimize("loss"), limits=at_most("loss", 0.9), population=4)
    search = make(controller)
    assert search.description.objectives == (minimize("loss"),)
    assert search.description.limits == (at_most("loss", 0.9),)
    search.run()
    assert controller.num_asked == controller.num_told == 0
    search.description = search.description.with_end(5, None, None)
    assert len(search.run(resume=True)) == 5


def test_a_controller_that_was_told_things_before_goes_on_from_there(make: Any, space: Space) -> None:
    controller = RandomSearch(space, maximize("accuracy"))
    known = controller.ask()
    controller.tell(known, {"accuracy": 0.5})
    search = make(controller)
    search.run()
    search.description = search.description.with_end(6, None, None)
    board = search.run(resume=True)
    assert sorted(board["number"]) == [1, 2, 3, 4, 5, 6]
    assert known.architecture.id not in set(board["id"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controller": "evolutoin"}, "did you mean 'evolution'"),
        ({"controller": lambda *_, **__: 7}, "expected a Controller or its name, got 7"),
        ({"of": "digit"}, "did you mean 'digits'"),
        ({"of": 7}, "expected a Problem"),
        ({"objectives": []}, "objectives: expected some"),
        ({"objectives": "accuracy"}, "objectives: expected some"),
        ({"objectives": maximize("acuracy")}, "did you mean 'accuracy'"),
        ({"objectives": [maximize("loss"), minimize("loss")]}, "each metric can be given once"),
        ({"limits": at_most("params", 3)}, "no metric named 'params'"),
        ({"limits": "num_params<=3"}, "limits: expected such as"),
        ({"executor": "cloud"}, "no executor named 'cloud'"),
        ({"trials": 0}, "trials: expected a whole number above 0, got 0"),
        ({"trials": -3}, "got -3"),
        ({"trials": 1.5}, "got 1.5"),
        ({"trials": True}, "got True"),
        ({"seconds": float("nan")}, "seconds: expected a number above 0, got nan"),
        ({"seconds": float("inf")}, "got inf"),
        ({"target": float("nan")}, "target: expected a number, got nan"),
        ({"trial_seconds": 0}, "trial_seconds: expected"),
        ({"epochs": 0}, "epochs: expected"),
        ({"keep_weights": -1}, "keep_weights: expected"),
        ({"seed": "x"}, "seed: expected a whole number"),
        ({"name": ""}, "name: expected"),
        ({"name": " a"}, "name: expected"),
        ({"name": "-a"}, "name: expected"),
        ({"name": "a\nb"}, "name: expected"),
        ({"name": 7}, "name: expected"),
        ({"name": "a" * 201}, "name: expected"),
        ({"store": "nonsense://"}, "no such kind of database"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    make: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NasError) as caught:
        make(**options).run()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_controller_for_another_search_is_refused(make: Any, space: Space) -> None:
    other = Space({"a": integer(1, 5)})
    with pytest.raises(SearchError, match="another space"):
        make(RandomSearch(other, maximize("accuracy")))
    with pytest.raises(SearchError, match="the objectives it was made with are maximize accuracy"):
        make(RandomSearch(space, maximize("accuracy")), objectives=minimize("loss"))
    with pytest.raises(SearchError, match="the limits it was made with are loss <= 1"):
        make(RandomSearch(space, maximize("accuracy"), limits=at_most("loss", 1)), limits=at_least("loss", 2))


# -- names --------------------------------------------------------------------------------------------------


def test_searches_without_a_name_are_numbered(make: Any) -> None:
    first, second = make(), make()
    first.run()
    second.run()
    assert (first.name, second.name) == ("larger-random-1", "larger-random-2")


@pytest.mark.parametrize("name", ["7", "naïve 🔍", "a'b\"c; --", "x" * 200, "名前"])
def test_a_search_may_have_any_name_that_can_be_typed(make: Any, name: str) -> None:
    search = make(name=name)
    search.run()
    assert len(nas.leaderboard(search.store, name)) == 3
    assert len(nas.leaderboard(search.store, 1)) == 3


def test_a_search_is_not_run_twice_under_one_name(make: Any) -> None:
    search = make(name="mine")
    search.run()
    with pytest.raises(StoreError, match="'mine' already"):
        search.run()
    assert len(search.leaderboard()) == 3


# -- going on -----------------------------------------------------------------------------------------------


def test_a_script_that_is_run_again_goes_on_with_its_own_search_and_not_with_the_latest(make: Any) -> None:
    make(trials=3).run()
    make("evolution", trials=3).run()
    again = make(trials=5)
    assert len(again.run(resume=True)) == 5
    assert again.name == "larger-random-1"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"on": Space({"a": integer(0, 998)})}, "its space was"),
        ({"seed": 1}, "its seed was 0, now it is 1"),
        ({"controller": "evolution"}, "its controller was random, now it is evolution"),
        ({"objectives": minimize("loss")}, "its objectives was maximize accuracy, now it is minimize loss"),
        ({"limits": at_most("loss", 3)}, "its limits was none, now it is loss <= 3"),
        ({"of": "digits"}, "its problem was larger, now it is digits"),
    ],
)
def test_a_search_goes_on_only_as_what_it_was(make: Any, changes: dict[str, Any], what: str) -> None:
    make(name="mine").run()
    with pytest.raises(SearchError, match="search 'mine' cannot go on") as caught:
        make(name="mine", **changes).run(resume=True)
    assert what in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_search_does_not_go_on_with_other_data_under_the_same_name(make: Any, problem: Problem) -> None:
    make(name="mine").run()
    other = replace(problem, train=problem.validation)
    with pytest.raises(SearchError, match="its data was"):
        make(name="mine", of=other).run(resume=True)


def test_a_search_of_names_goes_on_from_its_store_alone(networks: Space, tmp_path: Path) -> None:
    def controller(space: Space, objectives: Any, **options: Any) -> RegularizedEvolution:
        return RegularizedEvolution(space, objectives, population=3, sample=2, **options)

    store = tmp_path / "s.db"
    Search(networks, "digits", controller, trials=2, executor=Scripted(), store=store, seed=3).run()
    search = Search.from_store(store, trials=5, executor=Scripted())
    assert len(search.run(resume=True)) == 5
    assert search.controller.settings == {"population": 3, "sample": 2}


def test_all_that_a_search_was_told_is_told_again_by_its_store(make: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"trials": 2, "seconds": 60.0, "target": 2.0, "seed": 3, "keep_weights": 1}
    options |= {"trial_seconds": 9.0, "trial_memory": 10**10, "trial_silence": 5.0, "epochs": 2}
    options |= {"checkpoints": tmp_path / "checkpoints", "checkpoint_seconds": 7.0, "inherit_weights": True}
    first = make(of="digits", name="mine", limits=[nas.at_most("num_params", 10**9)], **options)
    first.run()
    assert Search.from_store(first.store, "mine", executor=Scripted()).description == first.description


def test_a_search_whose_checkpoints_have_a_password_goes_on_without_it(make: Any, tmp_path: Path) -> None:
    first = make(of="digits", name="mine", checkpoints=tmp_path / "first")
    # as an older version would have kept it
    first.description = replace(first.description, checkpoints="memory://me:geheim@box/place")
    first.run()
    with pytest.raises(
        SearchError, match=r"memory://me:\*\*\*@box/place.*go on with --checkpoints"
    ) as refused:
        Search.from_store(first.store, "mine", trials=4, executor=Scripted())
    assert "geheim" not in str(refused.value)
    with pytest.raises(SearchError, match="leave that out"):
        Search.from_store(first.store, "mine", checkpoints="memory://me:geheim@box/place")
    moved = {"checkpoints": "memory://box/place", "executor": Scripted()}
    assert len(Search.from_store(first.store, "mine", trials=4, **moved).run(resume=True)) == 4
    with Store(first.store) as store:
        assert store.search("mine").description.checkpoints == "memory://box/place"
    again = Search.from_store(first.store, "mine", trials=5, executor=Scripted())
    assert again.description.checkpoints == "memory://box/place"


def test_a_search_with_parts_of_ones_own_asks_for_the_file_that_describes_it(make: Any) -> None:
    class Mine(RandomSearch):
        pass

    make().run()
    with pytest.raises(SearchError, match="its problem 'larger' is your own"):
        Search.from_store(make().store)
    make(Mine, of="digits", name="mine").run()
    with pytest.raises(SearchError, match=r"its controller '.*Mine' is your own"):
        Search.from_store(make().store, "mine")


def test_a_new_end_takes_the_place_of_the_old_one(make: Any, tmp_path: Path) -> None:
    make(of="digits", trials=None, seconds=0.05).run()
    search = Search.from_store(tmp_path / "store.db", trials=10_000)
    assert search.description.budget.seconds is None
    assert search.description.budget.trials == 10_000


def test_a_space_that_gives_other_networks_under_the_same_decisions_is_noticed(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(name="mine").run()
    again = make(name="mine", trials=5)
    monkeypatch.setattr(
        again, "_rebuild", lambda trial: again.space.architecture({"a": 1, "b": 1, "op": "x"})
    )
    with pytest.raises(SearchError, match=r"trial 0 was the network \w+, its decisions now give"):
        again.run(resume=True)


# -- one driver ---------------------------------------------------------------------------------------------


def test_a_search_that_is_running_cannot_be_resumed_beside_it(make: Any) -> None:
    errors: list[str] = []

    def resume(progress: Any) -> None:
        try:
            make(name="mine", trials=9).run(resume=True)
        except SearchError as error:
            errors.append(str(error))

    board = make(name="mine", callbacks=[OnTurn(resume)]).run()
    assert errors
    assert all(f"being driven already, by process {os.getpid()}" in error for error in errors)
    assert len(board) == 3


def _claim(make: Any, driver: Driver, heartbeat_age: float) -> None:
    with Store(make().store, create=True) as store:
        search = store.create_search("mine", make().description.to_dict(), driver)
        with store.writing(search.id) as writing:
            writing.search(heartbeat_at=time.time() - heartbeat_age)


def test_the_search_of_a_dead_process_is_resumed_at_once(make: Any) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    this = new_driver()
    release(this)
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until it is waited for
    _claim(make, replace(this, process=dead.pid), heartbeat_age=0)
    assert len(make(name="mine").run(resume=True)) == 3
    dead.wait()


def test_a_later_process_of_the_same_id_is_not_taken_for_the_driver(make: Any) -> None:
    this = new_driver()
    release(this)
    _claim(make, replace(this, process=os.getppid(), began="1"), heartbeat_age=0)
    assert len(make(name="mine").run(resume=True)) == 3


def test_the_driver_on_another_machine_is_alive_while_it_is_heard_of(make: Any) -> None:
    this = new_driver()
    release(this)
    _claim(make, replace(this, host="elsewhere"), heartbeat_age=30)
    with pytest.raises(SearchError, match=r"by process \d+ on elsewhere \(last heard of 30 s ago\)"):
        make(name="mine").run(resume=True)


def test_the_search_of_a_machine_that_was_lost_is_resumed_after_a_minute(make: Any) -> None:
    this = new_driver()
    release(this)
    _claim(make, replace(this, host="elsewhere"), heartbeat_age=61)
    assert len(make(name="mine").run(resume=True)) == 3


def test_a_driver_that_was_replaced_notices_and_stops(make: Any) -> None:
    def take_over(progress: Any) -> None:
        with Store(make().store) as store, store.writing(1) as writing:
            writing.search(driver="[]")

    with pytest.raises(SearchError, match="driven by another process"):
        make(name="mine", trials=5, callbacks=[OnTurn(take_over)]).run()


def test_a_killed_search_is_shown_as_killed(make: Any) -> None:
    this = new_driver()
    _claim(make, this, heartbeat_age=0)
    with Store(make().store) as store:
        assert store.search().state == "running"
        release(this)
        assert store.search().state == "killed"


# -- leaderboards -------------------------------------------------------------------------------------------


def test_the_leaderboard_is_readable_while_the_search_runs(make: Any) -> None:
    seen: list[tuple[int, int]] = []

    def look(progress: Any) -> None:
        board = nas.leaderboard(make().store)
        seen.append((progress.complete, int((board["status"] == "complete").sum())))

    make(trials=6, callbacks=[OnTurn(look)]).run()
    assert seen
    assert all(told == shown for told, shown in seen)


def test_the_leaderboard_of_a_search_without_trials_has_its_columns(make: Any, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db", create=True) as store:
        store.create_search("empty", make().description.to_dict())
    board = nas.leaderboard(tmp_path / "store.db")
    assert len(board) == 0
    assert {"rank", "id", "status", "feasible", "number"} <= set(board.columns)


def test_the_leaderboard_leaves_test_metrics_out_of_the_ranking(make: Any) -> None:
    class Liar(Scripted):
        def events(self, timeout: float | None = None) -> list[Any]:
            return [
                replace(event, test_metrics={"accuracy": 1 - event.metrics["accuracy"]})
                if isinstance(event, Finished)
                else event
                for event in super().events(timeout)
            ]

    board = make(trials=10, executor=Liar()).run()
    assert list(board["accuracy"]) == sorted(board["accuracy"], reverse=True)
    assert list(board["test_accuracy"]) == sorted(board["test_accuracy"])


def test_a_search_that_does_not_exist_has_no_leaderboard(make: Any) -> None:
    make().run()
    with pytest.raises(UnknownNameError, match="larger-random-1"):
        nas.leaderboard(make().store, "mine")


def test_an_empty_choice_of_decisions_shows_as_itself(make: Any) -> None:
    board = make(on=Space({"op": choice("x", None)})).run()
    assert len(board) == 2


def test_without_test_examples_there_are_no_test_columns(networks: Space, tmp_path: Path) -> None:
    inputs = torch.rand(90, 2, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_tensors("bare", (inputs, (inputs[:, 0] > 0.5).long()), test=None)
    board = Search(networks, problem, "random", trials=2, executor="inline", store=tmp_path / "nas.db").run()
    assert (board["status"] == "complete").all()
    assert not [name for name in board if name.startswith("test_")]
    found = nas.load(tmp_path / "nas.db")
    assert not found.test_metrics
    assert "| loss |" in (found.export(tmp_path / "it") / "README.md").read_text()
    again = nas.retrain(tmp_path / "nas.db", problem=problem, top=1, seeds=1, executor="inline")
    assert [run.test_metrics for run in again[0].runs] == [{}]
