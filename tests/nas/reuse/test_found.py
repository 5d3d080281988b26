"""What was found is loaded with its weights, from its store or from a folder, and only if it is whole."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
from nas import Search
from nas.reuse.found import Found
from search_spaces import Space
from search_spaces.errors import FormatError, NasError, StoreError, UnknownNameError
from workers.problems import Problem


@pytest.fixture(scope="module")
def store(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of four networks, of which two are kept."""
    from torch import nn

    from search_spaces import integer, layer, sequential

    networks = {"model": sequential(layer(nn.Linear, out_features=integer(1, 50)), layer(nn.ReLU))}
    path = tmp_path_factory.mktemp("store") / "s.db"
    options = {"executor": "inline", "epochs": 2, "keep_weights": 2, "name": "mine", "trials": 4}
    Search(Space(networks), problem, "random", store=path, **options).run()
    return path


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    return nas.load(store).export(tmp_path / "best")


def accuracy(found: Found, problem: Problem) -> float:
    network = found.build()
    assert not network.training
    answers = network(dict(problem.test.inputs))
    (task,) = answers
    return float((answers[task].argmax(1) == problem.test.targets[task]).float().mean())


def test_a_network_has_the_test_accuracy_of_the_leaderboard(
    store: Path, folder: Path, problem: Problem
) -> None:
    board = nas.leaderboard(store)
    for found in (nas.load(store), nas.load(store, board["id"][0]), nas.load(folder), nas.load(str(folder))):
        assert found.test_metrics["accuracy"] == board["test_accuracy"][0]
        assert accuracy(found, problem) == pytest.approx(board["test_accuracy"][0])
    second = nas.load(store, board["id"][1][:9], search="mine")
    assert accuracy(second, problem) == pytest.approx(board["test_accuracy"][1])


def test_a_folder_says_what_its_network_is_and_where_it_comes_from(store: Path, folder: Path) -> None:
    found, exported = nas.load(store), nas.load(folder)
    assert exported.architecture.id == found.architecture.id
    assert dict(exported.architecture.decisions) == dict(found.architecture.decisions)
    assert (exported.metrics, exported.test_metrics) == (found.metrics, found.test_metrics)
    assert exported.provenance == found.provenance
    assert exported.signature == found.signature
    card = (folder / "README.md").read_text()
    assert found.architecture.id in card
    assert "**larger**" in card
    for section in ("Data", "Metrics", "Costs", "Architecture", "Training", "Provenance", "Use"):
        assert f"\n## {section}\n" in card
    assert f"| parameters | {found.metrics['num_params']:,} |" in card
    assert "| optimizer | adamw (default) |" in card
    assert "| search | mine |" in card
    assert "2 epochs in" in card
    assert f"{found.test_metrics['accuracy']:.4f}" in card


def test_a_network_whose_weights_were_not_kept_says_so(store: Path, tmp_path: Path) -> None:
    worst = nas.load(store, nas.leaderboard(store)["id"][3])
    with pytest.raises(StoreError, match="were not kept"):
        worst.build()
    with pytest.raises(StoreError, match="were not kept"):
        worst.export(tmp_path / "worst")
    assert not (tmp_path / "worst").exists()


def test_numbers_that_are_not_finite_survive_an_export(folder: Path, tmp_path: Path) -> None:
    found = nas.load(folder)
    odd = Found(**(vars(found) | {"metrics": {"loss": math.inf, "accuracy": math.nan}}))
    again = nas.load(odd.export(tmp_path / "odd"))
    assert again.metrics["loss"] == math.inf
    assert math.isnan(again.metrics["accuracy"])
    json.loads((tmp_path / "odd" / "architecture.json").read_text(), parse_constant=pytest.fail)


def test_ids_that_are_not_there_or_fit_several_are_named(store: Path) -> None:
    with pytest.raises(UnknownNameError, match="no architecture named 'zz'"):
        nas.load(store, "zz")
    with pytest.raises(UnknownNameError):
        nas.load(store, "")
    with pytest.raises(UnknownNameError, match="no search named 'other'"):
        nas.load(store, search="other")
    ids = list(nas.leaderboard(store)["id"])
    shared = next((a[:1] for a in ids if sum(b[0] == a[0] for b in ids) > 1), None)
    if shared is not None:
        with pytest.raises(StoreError, match="fits several architectures"):
            nas.load(store, shared)


def damage(folder: Path, what: str) -> None:
    architecture, weights = folder / "architecture.json", folder / "weights.safetensors"
    data = json.loads(architecture.read_text())
    changed: dict[str, Any] = {
        "another id": data | {"id": "0" * 16},
        "no signature": {key: value for key, value in data.items() if key != "signature"},
        "odd metrics": data | {"metrics": [1, 2]},
        "a foreign layer": json.loads(json.dumps(data).replace("torch.nn.Linear", "os.system")),
    }
    if what in changed:
        architecture.write_text(json.dumps(changed[what]))
    match what:
        case "no architecture":
            architecture.unlink()
        case "no weights":
            weights.unlink()
        case "half the JSON":
            architecture.write_text(architecture.read_text()[:100])
        case "not even text":
            architecture.write_bytes(b"\xff\xfe\x00")
        case "half the weights":
            weights.write_bytes(weights.read_bytes()[:-20])
        case "no bytes":
            weights.write_bytes(b"")
        case "other weights":
            from safetensors.torch import save

            weights.write_bytes(save({"a": torch.zeros(2)}))


DAMAGES = [
    "no architecture", "no weights", "half the JSON", "not even text", "another id", "no signature",
    "odd metrics", "a foreign layer", "half the weights", "no bytes", "other weights",
]  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_a_folder_that_is_not_whole_gives_an_error_of_one_line(folder: Path, what: str) -> None:
    damage(folder, what)
    with pytest.raises(FormatError) as caught:
        nas.load(folder).build()
    assert "\n" not in str(caught.value)


def test_a_place_where_nothing_is_gives_an_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        nas.load(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="no file"):
        nas.load(tmp_path)
    with pytest.raises(StoreError, match="expected no id"):
        nas.load(folder, "3fa9")


def test_a_folder_that_cannot_be_written_gives_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NasError, match="cannot write"):
        nas.load(folder).export(tmp_path / "file")
