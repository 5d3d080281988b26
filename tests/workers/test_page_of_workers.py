"""The page of the package says what is so: its example runs, and its rooms and names are those there are."""

import ast
import doctest
import re
from pathlib import Path

import workers

ROOT = Path(workers.__file__).parent


def test_the_example_of_the_page_runs() -> None:
    tried = doctest.testmod(workers)
    assert tried.attempted > 5
    assert tried.failed == 0


def test_the_page_names_every_room() -> None:
    assert workers.__doc__
    told = set(re.findall(r"``(\w+)``", workers.__doc__))
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} <= told


def test_each_room_names_the_modules_in_it() -> None:
    for page in ROOT.glob("*/__init__.py"):
        told = ast.get_docstring(ast.parse(page.read_text())) or ""
        there = {path.stem for path in page.parent.glob("*.py")} - {"__init__"}
        assert there <= set(re.findall(r"``(\w+)``", told)), page.parent.name


def test_the_public_names_can_be_imported_and_are_listed_alike_everywhere() -> None:
    assert workers.__all__ == sorted(workers.__all__, key=lambda name: (name.islower(), name))
    assert set(workers.__all__) == set(workers._HOMES)
    tree = ast.parse((ROOT / "__init__.py").read_text())
    typed = {
        (alias.name, node.module)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(workers._HOMES.items())
    assert all(getattr(workers, name) is not None for name in workers.__all__)
