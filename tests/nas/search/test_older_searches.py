"""Searches that an older version began standardise nothing: they go on so, and stay by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load
from torch import nn

import nas
from nas.search import Search
from nas.store.store import Store
from search_spaces import Space, choice, layer
from workers.testing.jobs import points

SPACE = Space({"model": [layer(nn.Linear, out_features=choice(2, 3, 4, 5, 6))]})


def search(folder: Path, name: str, **options: Any) -> Search:
    given = {"executor": "inline", "store": folder / "s.db", "epochs": 1, "keep_weights": 9, "name": name}
    return Search(SPACE, points(), "random", **given | options)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    old = search(tmp_path, "old", trials=2)
    old.description = replace(old.description, standardise=False)
    old.run()
    return tmp_path


def standardised(weights: bytes | None) -> bool:
    assert weights is not None
    return any("standardisation" in name for name in load(weights))


def test_an_older_search_goes_on_as_it_began_and_a_new_one_standardises(stored: Path) -> None:
    search(stored, "old", trials=4).run(resume=True)
    search(stored, "new", trials=1).run()
    with Store(stored / "s.db") as store:
        of = {name: store.search(name) for name in ("old", "new")}
        trained = [number for number in range(4) if store.weights(of["old"].id, number) is not None]
        assert len(trained) >= 3
        assert not any(standardised(store.weights(of["old"].id, number)) for number in trained)
        assert standardised(store.weights(of["new"].id, 0))
        assert [of[name].description.standardise for name in of] == [False, True]
    (again,) = nas.retrain(stored / "s.db", search="old", seeds=1, executor="inline", problem=points())
    assert not standardised(again.best.weights)
    assert not any(
        one.is_open for one in nas.load(stored / "s.db", search="old").build().input_standardisations
    )


def test_results_of_an_older_search_are_not_mixed_with_new_ones(
    stored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = search(stored, "new", trials=2, reuse_results=True, start_from="old").run()
    assert new["reason"].isna().all()
    with Store(stored / "s.db") as store:
        record = store.search("new")
        assert [start.comparable for start in store.starts(record.id)] == [False, False]
    rows = nas.leaderboard(stored / "s.db", ["old", "new"], over_seeds=True)
    assert [text for text in caplog.messages if text.startswith("an older version began old: ")]
    assert (rows["n"] == 1).all()
    assert rows["id"].duplicated().any()
