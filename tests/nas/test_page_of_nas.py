"""The first page of the package: its example is run, its rooms are those that there are."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

import nas

FOLDER = Path(nas.__file__).parent


def test_the_example_of_the_page_does_what_it_says() -> None:
    page = ast.get_docstring(ast.parse((FOLDER / "__init__.py").read_text()))
    example = doctest.DocTestParser().get_doctest(page or "", {}, "nas", str(FOLDER / "__init__.py"), 0)
    assert len(example.examples) >= 7
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_page_names_every_room_and_no_other() -> None:
    rooms = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    files = {path.stem for path in FOLDER.glob("*.py")}
    named = set(re.findall(r"`nas\.(\w+)`", nas.__doc__ or ""))
    assert named == (rooms | files) - {"__init__"}
