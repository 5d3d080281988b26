"""Exports of what comes from outside: cards without markup, and nothing replaced but files."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from nas.description import training_seed
from nas.reuse.export.card import card
from nas.reuse.found import Found
from search_spaces import Classification, Signature, Vector
from search_spaces.catalog import mlp
from search_spaces.errors import StoreError
from search_spaces.space import Space
from workers.weights import to_safetensors

EVIL = "<img src=x> | `code`\n# title\n```\x1b[31m[red](http://x)"


def found(name: str = "image", came: str = "mine") -> Found:
    architecture = Space(mlp().value).sample(random.Random(training_seed(0, "")))
    signature = Signature({name: Vector(4)}, {name: Classification(3)})
    retrained = {"runs": came, "all_data": False, "test_metrics": {came: {"mean": 0.5, "std": came}}}
    names = ("search", "problem", "controller", "origin", "seed", "epochs", "seconds")
    provenance = dict.fromkeys(names, came) | {"ran": {came: came}, "retrained": retrained}
    provenance |= {name: [came] for name in ("objectives", "limits", "parents")}
    weights = to_safetensors(architecture.build(signature))
    return Found(architecture, signature, weights, {came: 0.5}, {came: 0.5}, provenance)


@pytest.mark.parametrize("format", ["safetensors", "torch-export", "onnx", "python"])
def test_nothing_in_a_card_is_markup(format: str) -> None:
    text = card(found(EVIL, EVIL), format)
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)  # blocks of code
    assert "<img" not in outside
    assert "\x1b" not in text
    assert "```" not in outside
    assert re.findall(r"(?m)^#+ .*title", outside) == []
    assert not re.search(r"(?<!\\)\[red(?<!\\)\]", outside.replace("\\\\", ""))
    plain = card(found(), format)
    headings = r"(?m)^##? \w+"
    assert re.findall(headings, outside) == re.findall(headings, re.sub(r"(?ms)^```.*?^```$", "", plain))
    for table in re.findall(r"(?m)(?:^\|.*\n)+", outside):
        rows = [len(re.findall(r"(?<!\\)\|", row.replace("\\\\", ""))) for row in table.splitlines()]
        assert len(set(rows)) == 1, table


def test_an_export_replaces_nothing_but_files(tmp_path: Path) -> None:
    one = found()
    folder = one.export(tmp_path / "it")
    one.export(folder)
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(tmp_path / "mine")
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "it")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(folder))
    for place, word in ((folder, "link"), (tmp_path / "link", "link"), (tmp_path / "pipe", "pipe")):
        with pytest.raises(StoreError, match=f"cannot write to.*{word}"):
            one.export(place)
    with pytest.raises(StoreError, match="cannot write to"):
        one.export(tmp_path / ("n" * 300))
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(os.listdir(folder)) == before
    assert sorted(os.listdir(tmp_path)) == ["it", "link", "mine", "pipe"]


def test_an_export_may_have_the_longest_name_that_there_is(tmp_path: Path) -> None:
    assert (found().export(tmp_path / ("n" * 255)) / "README.md").is_file()
