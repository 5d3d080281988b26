"""Callbacks hear what is in the store, and never end a search."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted

from nas import Callback, at_most
from nas.description import Description
from nas.records import EpochReport, Trial
from nas.search.callbacks import OnTurn
from nas.search.progress import Progress
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces import Space
from search_spaces.errors import SearchError
from workers.job import Failed, Job


class Diary(Callback):
    """Writes down what it hears, and checks that the store knows it."""

    def __init__(self, store: Path) -> None:
        self.store, self.lines = store, list[tuple[Any, ...]]()

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        self.lines.append(("begin", search.name, search.elapsed_seconds > 0, description.problem))

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        with Store(self.store) as store:
            assert report in store.reports(1, trial.number)
        self.lines.append(("report", trial.number, report.epoch))

    def on_trial_end(self, trial: Trial) -> None:
        with Store(self.store) as store:
            assert trial in store.trials(1)
        self.lines.append(("trial", trial.number, trial.status))

    def on_turn(self, progress: Progress) -> None:
        self.lines.append(("turn", progress.trials))

    def on_search_end(self, status: str, reason: str) -> None:
        with Store(self.store) as store:
            assert store.search().status == status
        self.lines.append(("end", status, reason))


class Clumsy(Callback):
    """Fails at whatever it is told."""

    def __init__(self) -> None:
        self.called = Counter[str]()

    def _fail(self, what: str) -> None:
        self.called[what] += 1
        raise RuntimeError("clumsy")

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        self._fail("begin")

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        self._fail("report")

    def on_trial_end(self, trial: Trial) -> None:
        self._fail("trial")

    def on_turn(self, progress: Progress) -> None:
        self._fail("turn")

    def on_search_end(self, status: str, reason: str) -> None:
        self._fail("end")


def some_fail(job: Job) -> dict[str, float] | Failed:
    if job.number % 3 == 1:
        return Failed(job.number, "not_finite", "training loss became nan", "", False, 0.1)
    return {"loss": 0.5, "accuracy": job.number / 10}


def without_turns(diary: Diary) -> list[tuple[Any, ...]]:
    return [line for line in diary.lines if line[0] != "turn"]


def test_what_happens_is_told_in_its_order_and_is_in_the_store_by_then(make: Any, tmp_path: Path) -> None:
    diary = Diary(tmp_path / "store.db")
    make(name="mine", trials=3, executor=Scripted(some_fail), callbacks=[diary]).run()
    assert without_turns(diary) == [
        ("begin", "mine", False, "larger"),
        ("report", 0, 1),
        ("trial", 0, "complete"),
        ("trial", 1, "failed"),
        ("report", 2, 1),
        ("trial", 2, "complete"),
        ("end", "finished", "3 trials are done"),
    ]
    assert ("turn", 3) in diary.lines


def test_a_search_that_goes_on_says_so_and_tells_only_what_is_new(make: Any, tmp_path: Path) -> None:
    make(name="mine", trials=2).run()
    diary = Diary(tmp_path / "store.db")
    make(name="mine", callbacks=[diary]).extend(trials=1).run(resume=True)
    assert without_turns(diary)[:2] == [("begin", "mine", True, "larger"), ("report", 2, 1)]


def test_proposals_that_are_never_trained_are_told_too(make: Any, networks: Space, tmp_path: Path) -> None:
    diary = Diary(tmp_path / "store.db")
    make(on=networks, trials=3, limits=at_most("num_params", 80), callbacks=[diary]).run()
    told = Counter(line[2] for line in diary.lines if line[0] == "trial")
    with Store(tmp_path / "store.db") as store:
        assert told == Counter(trial.status for trial in store.trials(1))
    assert told["infeasible"]


def test_an_error_in_a_callback_is_logged_once_and_the_search_goes_on(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clumsy, diary = Clumsy(), Diary(tmp_path / "store.db")
    with caplog.at_level(logging.WARNING, logger="nas.search.callbacks"):
        board = make(trials=4, callbacks=[clumsy, diary]).run()
    assert len(board) == 4
    (record,) = caplog.records
    assert "callback Clumsy: RuntimeError: clumsy" in record.getMessage()
    assert clumsy.called["trial"] == clumsy.called["report"] == 4
    assert clumsy.called["begin"] == clumsy.called["end"] == 1
    assert len([line for line in diary.lines if line[0] == "trial"]) == 4


def test_a_password_of_where_a_callback_writes_is_not_logged(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(progress: Progress) -> None:
        raise ConnectionError("https://me:geheim@track.example:5000/api does not answer")

    with caplog.at_level(logging.WARNING, logger="nas.search.callbacks"):
        make(trials=2, callbacks=[OnTurn(fail)]).run()
    assert "https://me:***@track.example:5000/api does not answer" in caplog.text
    assert "Traceback" in caplog.text
    assert "geheim" not in caplog.text


def test_ctrl_c_in_a_callback_ends_the_search_as_ever(make: Any, tmp_path: Path) -> None:
    def press(progress: Progress) -> None:
        if progress.trials == 2:
            raise KeyboardInterrupt

    diary = Diary(tmp_path / "store.db")
    search = make(trials=9, callbacks=[OnTurn(press), diary])
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert diary.lines[-1] == ("end", "stopped", "interrupted")


def test_what_is_no_callback_is_refused(make: Any) -> None:
    with pytest.raises(SearchError, match=r"callbacks: expected instances of nas\.Callback"):
        make(callbacks=[print])
    with pytest.raises(SearchError, match=r"callbacks: expected"):
        make(callbacks=[Diary])
