"""Processes that write one store at once lose nothing; one that is killed loses nothing that was said."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest
import sqlalchemy as sa

from nas.records import EpochReport, Trial
from nas.store.schema import layouts
from nas.store.store import Store
from nas.store.trials import read_trials

WRITERS, TRIALS = 8, 200
"""Of each: by hand it was done with 2,000 trials too (see benchmarks/RESULTS.md)."""


def write(url: str, name: str, trials: int) -> None:
    """A search of a driver of its own, and a part of one that all of them write."""
    writer = int(name)
    with Store(url, create=True) as store:
        own = store.create_search(name, {})
        shared = store.search("shared")
        for number in range(trials):
            with store.writing(own.id) as writing:
                writing.add(Trial(number, f"{number:016x}", {"a": number, name: 1}, "running"))
            with store.writing(own.id) as writing:
                metrics = {"accuracy": number / trials, name: 1}
                writing.update(
                    Trial(number, f"{number:016x}", {}, "complete", metrics=metrics, score=number / trials)
                )
                writing.report(number, EpochReport(1, metrics, None, 0.0, None))
            if number % 10 == 0:
                with store.writing(shared.id) as writing:
                    mine = writer * trials + number
                    writing.add(Trial(mine, f"{mine:016x}", {"a": mine, name: 1}, "running"))


def check(url: str, trials: int) -> None:
    """All that the writers wrote is there."""
    with Store(url) as store:
        for writer in range(WRITERS):
            found = store.trials(store.search(str(writer)).id)
            assert [trial.number for trial in found] == list(range(trials))
            assert all(trial.decisions == {"a": trial.number, str(writer): 1} for trial in found)
            metrics = [trial.metrics["accuracy"] for trial in found]
            assert metrics == [number / trials for number in range(trials)]
            assert store.ranked(store.search(str(writer)).id, 1)[0].number == trials - 1
        shared = store.trials(store.search("shared").id)
        assert len(shared) == WRITERS * len(range(0, trials, 10))
        assert all(trial.decisions == {"a": trial.number, str(trial.number // trials): 1} for trial in shared)


def test_what_is_read_together_is_of_one_moment_whoever_writes_meanwhile(url: str) -> None:
    """A trial is read with the names of its metrics: another process may write both in between."""
    with Store(url, create=True) as store, Store(url) as other:
        search = store.create_search("one", {})
        count = sa.select(sa.func.count()).select_from(layouts)
        with other._database.reading() as connection:
            assert connection.scalar(count) == 0
            with store.writing(search.id) as writing:
                writing.add(Trial(0, f"{0:016x}", {"a": 1}, "running"))
            assert connection.scalar(count) == 0
            assert read_trials(connection, search.id) == []
        assert [trial.decisions for trial in other.trials(search.id)] == [{"a": 1}]


def test_eight_processes_that_write_one_store_at_once_lose_nothing(url: str) -> None:
    with Store(url, create=True) as store:
        store.create_search("shared", {})
    context = processes.context()
    writers = [context.Process(target=write, args=(url, str(n), TRIALS)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    check(url, TRIALS)


WRITER = """
import sys
from nas.records import EpochReport, Trial
from nas.store import Store

with Store(sys.argv[1]) as store:
    search = store.search("one").id
    number = len(store.trials(search))
    while True:
        with store.writing(search) as writing:
            for number in range(number, number + 7):
                writing.add(Trial(number, f"{number:016x}", {"a": number}, "complete", score=0.5))
                writing.report(number, EpochReport(1, {"accuracy": 0.5}, None, 0.0, None))
                writing.keep_weights(number, bytes(20_000))
        number += 1
        print(number, flush=True)  # so many were said to be there
"""


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_a_writer_that_is_killed_leaves_a_whole_store_with_all_that_was_acknowledged(
    url: str, tmp_path: Path
) -> None:
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    with Store(url, create=True) as store:
        search = store.create_search("one", {}).id
    acknowledged = 0
    for kill in range(5):
        writer = subprocess.Popen([sys.executable, str(script), url], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        time.sleep(0.05 + 0.03 * kill)  # somewhere in what follows
        os.kill(writer.pid, signal.SIGKILL)
        said = writer.stdout.read().split("\n")[:-1]  # the last line may be cut
        writer.wait()
        acknowledged = int(said[-1]) if said else acknowledged
        with Store(url) as store:
            numbers = [trial.number for trial in store.trials(search)]
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= acknowledged
            assert len(numbers) % 7 == 0, "a part of a turn is there"
            assert store.last_epochs(search).keys() == store.kept_weights(search) == set(numbers)
            with store._database.reading() as connection:
                if connection.dialect.name == "sqlite":
                    assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
                    assert connection.execute(sa.text("PRAGMA foreign_key_check")).first() is None
    assert acknowledged >= 35
