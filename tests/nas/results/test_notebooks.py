"""What notebooks show of searches and networks: what a person wants to know, nothing of it as markup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import EVIL, record

import nas
from nas import Search, maximize
from nas.store.store import Store
from search_spaces.catalog import mlp


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store(tmp_path / "nas.db", create=True) as store:
        record(store, 30)
    return tmp_path / "nas.db"


def test_a_search_shows_what_it_is_and_its_best_trials(path: Path) -> None:
    search = Search(mlp(), "digits", objectives=[maximize("accuracy")], store=path, name=EVIL)
    shown = search._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "maximize accuracy" in shown
    assert "state: finished, trained: 30" in shown
    assert shown.count("<tr>") == 6
    assert nas.leaderboard(path)["id"][0] in shown


def test_a_search_that_has_not_begun_says_so(make: Callable[..., Search]) -> None:
    shown = make()._repr_html_()
    assert "state: not begun" in shown
    assert "<table>" not in shown


def test_a_network_shows_its_drawing_and_how_it_did(path: Path) -> None:
    found = nas.load(path)
    shown = found._repr_html_()
    assert found.architecture.id in shown
    assert "Dense(" in shown
    assert "<td>accuracy</td>" in shown
    assert "search: &lt;script&gt;" in shown
    assert "<script" not in shown


def test_an_architecture_shows_its_drawing(path: Path) -> None:
    architecture = nas.load(path).architecture
    assert architecture._repr_html_().startswith("<pre>")
    assert "Dense(" in architecture._repr_html_()
