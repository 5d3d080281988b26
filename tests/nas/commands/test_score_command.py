"""``nas score``: a network of a search, or a sample of a space, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from nas import Search, cli
from nas.store.store import Store
from search_spaces import choice, layer, sequential
from workers.problems import load

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command ``nas score``, in an empty folder: returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", "score", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


def named(*scores: str) -> list[str]:
    return [word for name in scores for word in ("--score", name)]


def test_a_sample_without_a_store(run: Run) -> None:
    words = (
        "--sample",
        "3",
        "--problem",
        "digits",
        "--space",
        "mlp",
        *named("num_params", "naswot", "az_nas"),
    )
    code, out, err = run(*words, "--format", "csv", "--batch-size", "16")
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len({row["id"] for row in rows}) == 3
    assert {"num_params", "naswot", "az_nas", "az_nas.complexity", "message", "decisions"} <= rows[0].keys()
    assert json.loads(rows[0]["decisions"])
    code, table, _ = run(*words, "--batch-size", "16")
    assert code == 0
    assert "az_nas.complexity" not in table
    assert rows[0]["id"] in table
    missing = [row for row in rows if not row["naswot"]]
    assert (f"{len(missing)} of 3 without naswot: no unit switches" in table) == bool(missing)


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A store with a search of two networks."""
    model = sequential(layer(nn.Flatten), layer(nn.Linear, out_features=choice(4, 8)), layer(nn.ReLU))
    path = tmp_path / "nas.db"
    space = {"model": model, "recipe": {"epochs": 1}}
    Search(space, load("digits"), "random", store=path, executor="inline", trials=2).run()
    return path


def test_a_network_of_a_search_and_a_sample_of_its_space(run: Run, searched: Path) -> None:
    with Store(searched) as store:
        best = store.ranked(store.search().id, 1)[0]
    code, out, err = run(best.architecture_id[:8], "--format", "json", *named("num_params", "swap"))
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["id"] == best.architecture_id
    assert row["num_params"] == best.metrics["num_params"]
    assert row["swap"] > 1
    assert row["decisions"] == best.decisions
    code, again, err = run("best", "--format", "json", *named("num_params", "swap"))
    assert code == 0, err
    assert json.loads(again) == [row]
    code, out, _ = run("--sample", "9", "--score", "num_layers", "--format", "json")
    assert len(json.loads(out)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected the id of a network, or --sample 200"),
        (("3fa9", "--sample", "5"), "expected the id of a network, or --sample 200"),
        (("3fa9", "--problem", "digits"), "--problem, --data, --space: with --sample only"),
        (("--sample", "5", "--space", "mlp"), "expected --problem beside them"),
        (("--sample", "5", "--problem", "digits", "--score", "sinflow"), "did you mean 'synflow'"),
        (
            ("--sample", "2", "--problem", "snips", "--score", "jacov"),
            "jacov: the input 'tokens' is of tokens",
        ),
    ],
)
def test_what_is_wrong_takes_one_line_to_say(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
