"""Every import path that the README, the guides and the examples use or name is one that there is."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "workers", "controllers", "search_spaces")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SETTLED = [
    "controllers.reinforce.Reinforce",
    "nas.plots",
    "nas.reuse.Found.export",
    "nas.search.Search",
    "nas.store.Store",
    "nas.tracking",
    "search_spaces.blocks.backbone.needs",
    "workers.cluster",
    "workers.pool.Pool",
    "workers.training.train",
    "workers.tune_search",
]
"""Paths that people use, whether or not a page names them."""

_PATH = rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+"


def _of_code(text: str) -> Iterator[str]:
    """The paths of ours that code imports, or reaches by their dots."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Attribute) and re.fullmatch(_PATH, ast.unparse(node)):
            yield ast.unparse(node)


def _paths(file: Path) -> set[str]:
    """The paths of ours in a file of code, or in a page: in its blocks of code and between backticks."""
    text = file.read_text()
    if file.suffix == ".py":
        found = set(_of_code(text))
    else:
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        found = {path for block in blocks for path in _of_code(textwrap.dedent(block))}
        found |= set(re.findall(rf"`({_PATH})", text))
    return {path for path in found if path.split(".")[0] in PACKAGES and not path.endswith(".db")}


def _reach(path: str) -> object:
    """What is at a path: a module as far as there is one, then attributes."""
    first, *rest = path.split(".")
    found: object = import_module(first)
    for i, name in enumerate(rest):
        try:
            found = getattr(found, name)
        except AttributeError:
            found = import_module(".".join([first, *rest[: i + 1]]))
    return found


@pytest.mark.parametrize("file", [*PAGES, *EXAMPLES], ids=lambda file: file.name)
def test_what_a_page_or_an_example_imports_is_there(file: Path) -> None:
    for path in _paths(file):
        _reach(path)


@pytest.mark.parametrize("path", SETTLED)
def test_what_people_import_is_there(path: str) -> None:
    _reach(path)


def test_the_pages_name_paths_at_all() -> None:
    found = set().union(*map(_paths, [*PAGES, *EXAMPLES]))
    assert {"nas.Search", "nas.load", "nas.plots", "nas.tracking.MLflow", "workers.training.train"} <= found
    assert {"search_spaces.blocks.backbone.needs", "workers.pool.Pool", "workers.tune.trainable"} <= found
