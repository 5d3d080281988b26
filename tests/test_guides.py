"""The guides: the commands that they tell people to type, and the files that they give them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from nas.cli import app
from nas.commands.search import check_told_once

DOCS = Path(__file__).parents[1] / "docs"
FILES = sorted((DOCS / "cluster").glob("*.yaml"))


def commands(text: str) -> list[list[str]]:
    """The words of every ``nas`` command in the shell blocks of a page, or in a file."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) or [text]
    lines = [line for block in blocks for line in block.splitlines()]
    found = [re.search(r"(?:^|entrypoint: |-- |')(nas [^']*)", line) for line in lines]
    return [shlex.split(match[1], comments=True)[1:] for match in found if match]


@pytest.mark.parametrize(
    "page",
    [
        DOCS.parent / "README.md",
        *sorted(DOCS.glob("*.md")),
        DOCS / "cluster" / "rayjob.yaml",
    ],
    ids=lambda p: p.name,
)
def test_every_command_of_a_guide_is_one_that_there_is(page: Path) -> None:
    found = commands(page.read_text())
    assert found
    known = typer.main.get_command(app)
    for name, *words in found:
        command = known.commands[name]  # type: ignore[attr-defined]
        given = command.make_context(name, words).params  # fails on an option that it has not
        if name in ("search", "submit") and given["file"] is not None:
            # fails on what only the file can say
            check_told_once(given["file"], {key: value or None for key, value in given.items()})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_manifest_is_yaml_of_a_known_kind(file: Path) -> None:
    for part in yaml.safe_load_all(file.read_text()):
        assert part.get("kind") in (None, "PersistentVolumeClaim", "RayCluster", "RayJob")


def test_the_cluster_in_a_cloud_is_as_ray_wants_it() -> None:
    import jsonschema
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((DOCS / "cluster" / "aws.yaml").read_text()), schema)


def test_all_parts_of_a_guides_cluster_have_the_same_ray() -> None:
    pattern = r"(?:rayproject/ray:|rayVersion: \"|tune\]==)(\d+\.\d+\.\d+)"
    texts = [file.read_text() for file in [*FILES, DOCS / "cluster" / "Dockerfile"]]
    assert len({version for text in texts for version in re.findall(pattern, text)}) == 1
