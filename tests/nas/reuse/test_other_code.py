"""What was found with other code of one's own than is there now is said to be so, and counts by itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nas
from nas import Search
from nas.reuse.rebuild import space_of
from nas.reuse.single_task import runs_of
from nas.search.user_code import code_of_networks
from nas.store.store import Store
from search_spaces import Space, integer, layer, sequential
from workers.problems import Problem

BLOCK = """
from torch import nn


class Block(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.linear = nn.LazyLinear(features)

    def forward(self, x):
        return self.linear(x).relu()
"""
OTHER = BLOCK.replace(".relu()", ".tanh()")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    """Writes the file of a user, and imports it."""
    folder = tmp_path_factory.mktemp("mine")

    def write(text: str) -> ModuleType:
        (folder / "block_of_mine.py").write_text(text)
        sys.modules.pop("block_of_mine", None)
        importlib.invalidate_caches()
        return importlib.import_module("block_of_mine")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield write
        sys.modules.pop("block_of_mine", None)


def networks(block: ModuleType) -> Space:
    features = integer(2, 9)
    recipe = {"epochs": 1, "batch_size": 50}
    return Space({"model": sequential(layer(block.Block, features=features)), "recipe": recipe})


@pytest.fixture(scope="module")
def store(written: Any, problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of two networks with the block as it was first."""
    path = tmp_path_factory.mktemp("store") / "s.db"
    options: dict[str, Any] = {"executor": "inline", "name": "mine", "trials": 2, "store": path}
    Search(networks(written(BLOCK)), problem, "random", **options).run()
    return path


def messages(first_warnings: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in first_warnings.records if one.name == "nas.identity"]


def test_what_is_loaded_says_once_that_its_code_is_another_one(
    store: Path, written: Any, tmp_path: Path, first_warnings: pytest.LogCaptureFixture
) -> None:
    same = nas.load(store, modules=[written(BLOCK).Block])
    same.export(tmp_path / "same")
    nas.load(tmp_path / "same", modules=[written("\n" + BLOCK).Block])
    assert not messages(first_warnings)
    other = written(OTHER).Block
    for _ in range(2):
        found = nas.load(store, modules=[other])
    (said,) = messages(first_warnings)
    assert said.startswith("search 'mine': the code of block_of_mine.Block is not what it was: its weights")
    # an export keeps with what its weights were trained, not what is there now
    assert found.provenance["code"] == same.provenance["code"] != code_of_networks(found.architecture)
    nas.load(tmp_path / "same", modules=[other])
    assert messages(first_warnings)[1].startswith(
        f"{tmp_path / 'same'}: the code of block_of_mine.Block is not"
    )


def test_what_is_trained_again_with_other_code_is_kept_as_that(
    store: Path, written: Any, problem: Problem, first_warnings: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"problem": problem, "executor": "inline", "seeds": 1}
    nas.retrain(store, space=networks(written(BLOCK)), **options)
    before = nas.leaderboard(store, over_seeds=True)
    assert "code" not in before
    assert not messages(first_warnings)
    (again,) = nas.retrain(store, space=networks(written(OTHER)), **options | {"seeds": 2})
    assert len(messages(first_warnings)) == 1
    assert again.best is not None
    assert again.best.provenance["ran"]["code"] == "block_of_mine.Block"
    assert again.best.provenance["code"] == code_of_networks(again.best.architecture)
    after = nas.leaderboard(store, over_seeds=True)
    own = after[after["code"].notna()]
    assert list(own["code"]) == ["block_of_mine.Block"]
    assert list(own["n"]) == [2]  # apart from the trial, and from what was trained as that


def test_trainings_of_searches_with_other_code_have_no_mean_together(
    written: Any, problem: Problem, tmp_path: Path
) -> None:
    for name, text in (("first", BLOCK), ("same", BLOCK), ("other", OTHER)):
        options: dict[str, Any] = {"name": name, "trials": 1, "store": tmp_path / "s.db", "seed": len(name)}
        first = [{"model.0.features": 3}]
        Search(networks(written(text)), problem, "random", executor="inline", first=first, **options).run()
    board = nas.leaderboard(tmp_path / "s.db", ["first", "same", "other"], over_seeds=True)
    assert sorted(map(tuple, board["searches"])) == [("first", "same"), ("other",)]
    assert len(set(board["id"])) == 1


def test_a_reference_with_other_code_is_another_one(store: Path, written: Any) -> None:
    with Store(store) as opened:
        record = opened.search("mine")
        (trial, _) = opened.trials(record.id)
    keys = set()
    for text in (BLOCK, "\n" + BLOCK, OTHER):
        space = space_of(record, networks(written(text)))
        architecture = space.architecture(trial.decisions)
        (run,) = runs_of(record.description, trial, architecture, code_of_networks(space)).values()
        keys.add(run.reference.key)
    assert len(keys) == 2
