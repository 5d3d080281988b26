"""A driver that is killed again and again, at any moment, and gone on with each time."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import processes
import pytest

from nas import Search
from nas.records import Trial
from nas.store.store import Store
from search_spaces import Architecture, Classification, Signature, Space, Vector, choice, integer
from search_spaces.errors import NasError
from workers.tabular import Answer, Table

pytestmark = pytest.mark.end_to_end

TRIALS = 60


def answer(architecture: Architecture) -> Answer:
    """Something that the decisions alone decide, after a moment."""
    accuracy = random.Random(str(sorted(architecture.decisions.items()))).random()
    return Answer({"accuracy": accuracy}, seconds=0.02)


def search(store: str, name: str) -> Search:
    """With one worker."""
    space = Space({"a": integer(0, 999), "b": integer(0, 99), "op": choice("x", "y", "z")})
    table = Table("any", space, Signature({"row": Vector(1)}, {"class": Classification(2)}), answer)
    return Search(
        space, table, "evolution", trials=TRIALS, executor="inline", store=store, name=name, keep_weights=0
    )


def drive(store: str, name: str, resume: bool) -> None:
    """The driver."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    search(store, name).run(resume=resume)


def trials(store: str, name: str) -> list[Trial]:
    """Those recorded; none while there is no such search."""
    try:
        with Store(store) as opened:
            return opened.trials(opened.search(name).id)
    except NasError:
        return []


@pytest.mark.parametrize("count", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_at_many_moments_a_search_ends_as_one_that_was_never_killed(
    tmp_path: Path, count: int
) -> None:
    store = str(tmp_path / "nas.db")
    context = processes.context()
    rng, deaths = random.Random(1), 0
    while deaths < count:
        begun = bool(trials(store, "broken"))
        driver = context.Process(target=drive, args=(store, "broken", begun))
        driver.start()
        there = len(trials(store, "broken"))
        wanted = min(TRIALS - 1, there + rng.randrange(4))
        while len(trials(store, "broken")) < max(1, wanted):
            assert driver.is_alive(), "it ended before its time"
        time.sleep(rng.random() * 0.03)
        assert driver.pid is not None
        os.kill(driver.pid, signal.SIGKILL)
        driver.join()
        deaths += driver.exitcode == -signal.SIGKILL
    last = context.Process(target=drive, args=(store, "broken", True))
    last.start()
    last.join()
    assert last.exitcode == 0
    search(store, "unbroken").run()
    broken, unbroken = trials(store, "broken"), trials(store, "unbroken")
    assert len(broken) == TRIALS
    assert len({trial.architecture_id for trial in broken}) == TRIALS
    assert {trial.status for trial in broken} == {"complete"}
    assert [trial.decisions for trial in broken] == [trial.decisions for trial in unbroken]
    assert [trial.metrics for trial in broken] == [trial.metrics for trial in unbroken]
