"""The packages that look their names up when they are used say the same of each name in all places."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("nas", "workers", "workers.problems")


def _tree(package: str) -> ast.Module:
    return ast.parse(Path(str(import_module(package).__file__)).read_text())


def _imports(body: list[ast.stmt]) -> dict[str, str]:
    """By name the module that it is imported from."""
    found = [statement for statement in body if isinstance(statement, ast.ImportFrom)]
    return {(one.asname or one.name): str(where.module) for where in found for one in where.names}


def _typing_block(tree: ast.Module) -> dict[str, str]:
    """What a type checker is told: the imports under ``if TYPE_CHECKING``."""
    blocks = [statement for statement in tree.body if isinstance(statement, ast.If)]
    return {name: home for block in blocks for name, home in _imports(block.body).items()}


def _value(tree: ast.Module, name: str) -> Any:
    """What is assigned to a name as a literal; None where nothing is."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and [ast.unparse(one) for one in statement.targets] == [name]:
            return ast.literal_eval(statement.value)
    return None


def _bound(tree: ast.Module) -> set[str]:
    """The names that a module binds when it is imported."""
    names = set(_imports(tree.body))
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names |= {ast.unparse(target) for target in targets}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_the_homes_of_names_are_those_that_a_type_checker_is_told(package: str) -> None:
    tree = _tree(package)
    homes = _value(tree, "_HOMES")
    if homes is not None:
        assert homes == _typing_block(tree)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_home_and_every_home_is_public(package: str) -> None:
    tree = _tree(package)
    public, told = _value(tree, "__all__"), _typing_block(tree)
    assert set(public) <= set(told) | _bound(tree)
    assert set(told) <= set(public)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_what_is_at_its_home(package: str) -> None:
    tree = _tree(package)
    told, found = _typing_block(tree), import_module(package)
    for name in _value(tree, "__all__"):
        thing = getattr(found, name)
        if name in told:
            assert thing is getattr(import_module(told[name]), name), name
        if _value(tree, "_HOMES") is not None:
            assert name in dir(found)
