"""Where the best training of a network is a repeat, its weights are what is loaded, shown and exported."""

from __future__ import annotations

from pathlib import Path

import nas
from nas.description import training_seed
from nas.results.leaderboard import entries
from nas.store.store import Store
from search_spaces import Space
from workers.problems import Problem


def test_what_is_loaded_is_the_training_that_the_leaderboard_tells_of(
    networks: Space, problem: Problem, tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    board = nas.Search(networks, problem, "random", executor="inline", store=path, trials=2).run()
    last = board.iloc[-1]
    seeds = [
        nas.retrain(path, last["id"], problem=problem, executor="inline", seeds=n + 1)[0].runs[n].seed
        for n in range(2)
    ]
    best = nas.retrain(path, last["id"], problem=problem, executor="inline", seeds=2)[0].best
    assert best is not None
    training = 1 + seeds.index(best.provenance["training_seed"])
    with Store(path) as store:
        search, number = store.search().id, int(last["number"])
        with store.writing(search) as writing:
            writing.drop_weights(number)
            writing.keep_weights(number, best.weights or b"", training, seeds[training - 1])
    found = nas.load(path, last["id"])
    assert found.weights == best.weights
    assert found.metrics == best.metrics
    assert found.test_metrics == best.test_metrics
    came = found.provenance
    assert came["training"] == training
    assert came["training_seed"] == training_seed(came["seed"] + training, last["id"])
    row = next(row for row in entries(path) if row["id"] == last["id"])
    assert row["training"] == training
    assert {name: row[name] for name in found.metrics} == found.metrics
    exported = nas.load(found.export(tmp_path / "folder"))
    assert exported.provenance["training"] == training
    assert "the best of several" in (tmp_path / "folder" / "README.md").read_text()
