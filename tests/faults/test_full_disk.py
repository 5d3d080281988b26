"""A disk that is full for good ends a search with a word; freed, it goes on as if nothing had been."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from nas import Search
from nas.search.callbacks import OnTurn
from nas.store.store import Store
from search_spaces import Architecture, Classification, Signature, Space, Vector, choice, integer
from search_spaces.errors import StoreError
from workers.tabular import Answer, Table

TRIALS = 40


def _answer(architecture: Architecture) -> Answer:
    accuracy = random.Random(str(sorted(architecture.decisions.items()))).random()
    return Answer({"accuracy": accuracy}, seconds=0.0)


def _search(store: Store, name: str, **more: Any) -> Search:
    space = Space({"a": integer(0, 999), "b": integer(0, 99), "op": choice("x", "y", "z")})
    table = Table("any", space, Signature({"row": Vector(1)}, {"class": Classification(2)}), _answer)
    return Search(
        space,
        table,
        "evolution",
        trials=TRIALS,
        executor="inline",
        store=store,
        name=name,
        keep_weights=0,
        **more,
    )


def _same_trials(store: Store) -> None:
    broken, unbroken = (store.trials(store.search(name).id) for name in ("broken", "unbroken"))
    assert len(broken) == TRIALS
    assert {trial.status for trial in broken} == {"complete"}
    assert [trial.decisions for trial in broken] == [trial.decisions for trial in unbroken]
    assert [trial.metrics for trial in broken] == [trial.metrics for trial in unbroken]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_search_on_a_disk_that_was_full_goes_on(disk: Path) -> None:
    filler = disk / "filler"

    def fill() -> None:
        with open(filler, "wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def turn(turn: Any) -> None:
        if turn.trials >= 15 and not filler.exists():
            fill()

    with Store(disk / "nas.db", create=True, patience=0.3) as store:
        with pytest.raises(StoreError, match="full"):
            _search(store, "broken", callbacks=[OnTurn(turn)]).run()
        assert 0 < len(store.trials(store.search("broken").id)) < TRIALS, "what was written can be read"
        with pytest.raises(StoreError, match="full"):
            _search(store, "broken").run(resume=True)
    with Store(disk / "nas.db", patience=0.3) as store:
        assert 0 < len(store.trials(store.search("broken").id)) < TRIALS
        filler.unlink()
        _search(store, "broken").run(resume=True)
        _search(store, "unbroken").run()
        _same_trials(store)


def test_a_search_in_a_database_that_took_no_more_goes_on(tmp_path: Path) -> None:
    with Store(tmp_path / "nas.db", create=True, patience=0.3) as store:
        engine, full = store._database._engine, []

        @sa.event.listens_for(engine, "checkout")
        def limit(connection: Any, *_: Any) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages if full else 2**30}")

        def turn(turn: Any) -> None:
            if turn.trials >= 15:
                full.append(True)

        with pytest.raises(StoreError, match="full"):
            _search(store, "broken", callbacks=[OnTurn(turn)]).run()
        assert 0 < len(store.trials(store.search("broken").id)) < TRIALS
        full.clear()
        _search(store, "broken").run(resume=True)
        _search(store, "unbroken").run()
        _same_trials(store)
