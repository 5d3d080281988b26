"""A search whose description is damaged in the store leaves the others readable."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nas
from nas import Search, cli
from nas.reports.content import content
from nas.store.store import Store
from search_spaces.errors import FormatError

DAMAGES = ('{"problem": "lar', '"larger"', "[1, 2]", "null", '{"problem": "larger"}')
"""What may lie where the description was: half of a text, JSON of something else, a part of a description."""


@pytest.fixture(params=DAMAGES)
def url(make: Callable[..., Search], tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A store with two searches, of which the earlier one, ``damaged``, is so."""
    for name in ("damaged", "whole"):
        make("random", name=name, trials=4, epochs=1).run()
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "UPDATE nas_searches SET description = ? WHERE name = 'damaged'", (str(request.param),)
        )
    connection.close()
    return f"sqlite:///{file}"


def test_the_list_shows_it_as_damaged_beside_the_others(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nas", "list", "searches", "--store", url])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    damaged, whole = (next(line for line in lines if name in line) for name in ("damaged", "whole"))
    assert "damaged: not the description of a search" in damaged
    assert "finished" in whole


def test_what_asks_for_it_says_that_it_is_damaged(url: str) -> None:
    for ask in (nas.leaderboard, nas.best_so_far, nas.curves, nas.importance, nas.report):
        with pytest.raises(FormatError, match="search 'damaged' is damaged: not the description of a search"):
            ask(url, "damaged")
    with pytest.raises(FormatError, match="search 'damaged' is damaged"):
        nas.leaderboard(url, ["whole", "damaged"])


def test_what_looks_through_all_searches_leaves_it_out_and_names_it(
    url: str, make: Callable[..., Search], caplog: pytest.LogCaptureFixture
) -> None:
    make("evolution", name="mine", trials=6).run()

    def named() -> bool:
        found = [one for one in caplog.records if "search 'damaged' is damaged" in one.getMessage()]
        caplog.clear()
        return bool(found) and all(one.levelno == logging.WARNING for one in found)

    assert set(nas.leaderboard(url, problem="larger")["search"]) == {"mine", "whole"}
    assert named()
    with Store(url) as store:
        assert [line["name"] for line in content(store, "mine")["progress"]] == ["mine", "whole"]
    assert named()
    again = make("random", name="again", trials=4, epochs=1, reuse_results=True)
    assert list(again.run()["reason"]).count("reused") == 3  # but for the first, which tells what runs here
    assert named()
    assert len(make("evolution", trials=8).run(resume=True)) == 8
    assert named()


def test_it_is_copied_as_it_is_with_the_others(url: str) -> None:
    with Store(url) as store, Store("sqlite://", create=True) as target:
        assert store.copy(target).copied == ["damaged", "whole"]
        assert store.copy(target).known == ["damaged", "whole"]
        with pytest.raises(FormatError):
            _ = target.search("damaged").description
        assert target.search("whole").description == store.search("whole").description
        assert target.count_trials(1) == 4


def test_its_trials_can_still_be_read_and_it_can_be_deleted(url: str) -> None:
    with Store(url) as store:
        assert len(store.ranked(store.search("damaged").id)) == 4
        store.delete("damaged")
        assert [record.name for record in store.searches()] == ["whole"]
