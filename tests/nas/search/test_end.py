"""A search goes on for longer than it was to, as if it had been so long from the beginning."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted
from stored import trials
from torch import nn
from typer.testing import CliRunner

from controllers import catalog
from nas import Search
from nas.cli import app
from nas.search.callbacks import OnTurn
from nas.store.store import Store
from search_spaces import integer, layer, sequential
from search_spaces.errors import SearchError, UnknownNameError


def asked(search: Search) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(t.architecture_id, t.origin, t.parents, t.asked_step) for t in trials(search)]


def complete(search: Search) -> int:
    return sum(trial.status == "complete" for trial in trials(search))


THINKERS = {"reinforce", "predictor", "optuna"}


@pytest.mark.parametrize(
    "controller", [pytest.param(name, marks=[pytest.mark.slow] * (name in THINKERS)) for name in catalog]
)
def test_the_proposals_are_those_of_a_search_that_was_longer_from_the_beginning(
    make: Any, controller: str
) -> None:
    longer = make(controller, name="longer", trials=36)
    longer.run()
    extended = make(controller, name="extended", trials=24)
    extended.run()
    extended.extend(trials=12).run(resume=True)
    assert asked(extended) == asked(longer)


def test_so_they_are_after_a_driver_that_was_interrupted(make: Any) -> None:
    longer = make(name="longer", trials=40)
    longer.run()

    def press(ended: int) -> None:
        if ended == 25:
            raise KeyboardInterrupt

    extended = make(name="extended", trials=30, executor=Scripted(before=press))
    with pytest.raises(KeyboardInterrupt):
        extended.run()
    extended.executor = Scripted()
    extended.extend(trials=10).run(resume=True)
    assert asked(extended) == asked(longer)


def test_trials_that_several_workers_still_had_are_in_time_for_what_comes_after(make: Any) -> None:
    search = make("random", name="wide", trials=20, executor=Scripted(slots=4))
    search.run()
    board = search.extend(trials=20).run(resume=True)
    longer = make("random", name="longer", trials=40, executor=Scripted(slots=4))
    assert set(board["id"]) == set(longer.run()["id"])


def test_a_search_that_is_extended_twice_goes_on_from_its_later_end(make: Any) -> None:
    search = make(name="mine", trials=5)
    search.run()
    search.extend(trials=5).run(resume=True)
    again = make(name="mine", trials=5)  # a script says what it said at first
    again.extend(trials=5).run(resume=True)
    assert complete(again) == 15
    assert again.description.budget.trials == 15


def test_an_end_that_was_reached_before_falls_away_and_the_count_is_from_there(make: Any) -> None:
    slow = Scripted(before=lambda ended: time.sleep(0.01))
    search = make(trials=10_000, seconds=0.2, executor=slow)
    search.run()
    stood = complete(search)
    assert stood < 10_000
    search.executor = Scripted()
    search.extend(trials=7)
    assert search.description.budget.seconds is None
    search.run(resume=True)
    assert complete(search) == stood + 7


def test_an_end_that_was_not_reached_stays(make: Any) -> None:
    search = make(trials=5, seconds=3600, target=2.0)
    search.run()
    budget = search.extend(trials=5).description.budget
    assert (budget.trials, budget.seconds, budget.target) == (10, 3600, 2.0)


def test_a_target_that_was_reached_falls_away(make: Any) -> None:
    search = make(trials=1000, target=0.5)
    search.run()
    stood = complete(search)
    search.extend(trials=3).run(resume=True)
    assert complete(search) == stood + 3
    search.extend(target=1.5)
    assert search.description.budget.target == 1.5


def test_seconds_are_added_to_the_end_in_seconds(make: Any) -> None:
    slow = Scripted(before=lambda ended: time.sleep(0.01))
    search = make(seconds=0.1, executor=slow)
    search.run()
    stood = complete(search)
    assert search.extend(seconds=0.3).description.budget.seconds == pytest.approx(0.4)
    search.run(resume=True)
    assert complete(search) > stood
    assert "seconds are over" in search.reason


def test_a_search_without_an_end_in_trials_gets_one_from_where_it_stands(make: Any) -> None:
    def stop(progress: Any) -> None:
        if progress.complete == 6:
            raise KeyboardInterrupt

    search = make(seconds=3600, callbacks=[OnTurn(stop)])
    with pytest.raises(KeyboardInterrupt):
        search.run()
    search.callbacks.clear()
    search.extend(trials=4).run(resume=True)
    assert complete(search) == 10
    assert search.description.budget.seconds == 3600


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "say how much further"),
        ({"trials": 0}, "trials: expected a whole number above 0, got 0"),
        ({"trials": -3}, "got -3"),
        ({"seconds": 0.0}, "seconds: expected a number above 0"),
        ({"seconds": float("nan")}, "got nan"),
    ],
)
def test_what_is_no_more_is_refused(make: Any, more: dict[str, Any], message: str) -> None:
    search = make(trials=3)
    search.run()
    with pytest.raises(SearchError, match=message):
        search.extend(**more)


def test_only_the_same_search_is_extended(make: Any) -> None:
    make(name="mine", trials=3).run()
    with pytest.raises(SearchError, match="its seed was 0, now it is 1"):
        make(name="mine", seed=1).extend(trials=3)
    with pytest.raises(UnknownNameError):
        make(name="other").extend(trials=3)


def test_the_command_extends_a_search_of_the_store(tmp_path: Path) -> None:
    model = sequential(layer(nn.Flatten), layer(nn.Linear, out_features=integer(1, 50)))
    space = {"model": model, "recipe": {"epochs": 1, "batch_size": 256}}
    store = f"sqlite:///{tmp_path}/s.db"
    Search(space, "digits", trials=2, executor="inline", store=store, name="d").run()
    command = ["extend", "d", "--trials", "+2", "--executor", "inline", "--store", store]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "nas extend d" in result.stdout  # how to go on
    with Store(store) as opened:
        record = opened.search("d")
        assert record.stored["budget"]["trials"] == 4
        assert [trial.status for trial in opened.trials(record.id)] == ["complete"] * 4


def test_the_command_wants_to_know_how_far() -> None:
    with pytest.raises(SearchError, match=r"--trials \+50"):
        CliRunner().invoke(app, ["extend", "d"], catch_exceptions=False)


def test_a_search_that_is_resumed_at_its_first_end_again_keeps_what_came_after(make: Any) -> None:
    search = make(name="mine", trials=4)
    search.run()
    search.extend(trials=3).run(resume=True)
    same = make(name="mine", trials=4)
    board = same.run(resume=True)  # at its own end: nothing is added, nothing is lost
    assert len(board) == 7
