"""The source of code as syntax trees, without comments and docstrings, and what they name."""

from __future__ import annotations

import ast
import importlib.util
import linecache
import types
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_CHANGING = (
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"),
    *("reverse", "setdefault", "sort", "update"),
)
"""The names of the methods by which containers are changed."""

_trees: dict[str, tuple[list[str], ast.Module | None]] = {}
"""The syntax trees of files, each with the lines that it was made of."""


def tree_of_file(file: str, around: Mapping[str, Any] | None = None) -> ast.Module | None:
    """Returns the syntax tree of a file as it is now; None where it has none.

    Args:
        file: the path of the file, or what stands for one in a session.
        around: the names of its module, by which a loader may know it.
    """
    linecache.checkcache(file)
    lines = linecache.getlines(file, around)  # type: ignore[arg-type]
    known = _trees.get(file)
    if known is None or known[0] is not lines:
        known = _trees[file] = (lines, _parsed("".join(lines)))
    return known[1]


def _parsed(text: str) -> ast.Module | None:
    """The syntax tree of a text without docstrings; None where it has none."""
    if not text:
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:] or [ast.Pass()]
    return tree


def tree_of_module(around: Mapping[str, Any]) -> ast.Module | None:
    """Returns the syntax tree of a module, told by its names."""
    file = around.get("__file__")
    return tree_of_file(str(file), around) if file else None


@lru_cache(maxsize=256)
def _functions_at(tree: ast.Module) -> Mapping[tuple[str, int], list[ast.AST]]:
    """The functions of a file by their names and their first lines; lambdas in the order of their nesting."""
    found: dict[tuple[str, int], list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found.setdefault((node.name, first), []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).append(node)
    return found


def source_of(function: types.FunctionType) -> str | None:
    """Returns the source of a function, without comments; None where it cannot be found."""
    code = function.__code__
    tree = tree_of_file(code.co_filename, function.__globals__)
    found = [] if tree is None else _functions_at(tree).get((code.co_name, code.co_firstlineno), [])
    if code.co_name == "<lambda>":
        found = _around_instructions([node for node in found if isinstance(node, ast.Lambda)], code)
    return "\n".join(map(ast.unparse, found)) or None


def _around_instructions(found: list[ast.Lambda], code: types.CodeType) -> list[ast.AST]:
    """Of several lambdas in one line the one around the instructions of code; all where that is not known."""
    places = [
        (line, column, end_line or line, end_column)
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and column is not None and end_column is not None and column < end_column
    ]  # without positions Python was told to leave them out

    def around(node: ast.Lambda) -> bool:
        low, high = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
        return all(low <= one[:2] and one[2:] <= high for one in places)

    inner = [node for node in found if around(node)] or found
    return [*(inner[-1:] if places else inner)]  # the outer ones come first


@lru_cache(maxsize=256)
def statements_by_name(tree: ast.Module) -> Mapping[str, list[ast.stmt]]:
    """Returns the statements of a module by the names that they give a value: loops and branches whole."""
    found: dict[str, list[ast.stmt]] = {}

    def names(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            return
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ImportFrom):
            yield from (one.asname or one.name for one in node.names)
        for child in ast.iter_child_nodes(node):
            yield from names(child)

    for statement in tree.body:
        for name in dict.fromkeys(names(statement)):
            found.setdefault(name, []).append(statement)
    return found


def class_nodes(kind: type, file: str) -> list[ast.ClassDef]:
    """Returns where a class is defined; more than one place where they have one name."""
    tree = tree_of_file(file)
    if tree is None:
        return []
    return _classes_at(tree).get(kind.__qualname__.replace(".<locals>", ""), [])


@lru_cache(maxsize=256)
def _classes_at(tree: ast.Module) -> Mapping[str, list[ast.ClassDef]]:
    """The classes of a file by their qualified names, without what says that one is local."""
    found: dict[str, list[ast.ClassDef]] = {}
    waiting = deque[tuple[str, ast.AST]]([("", tree)])
    while waiting:
        within, node = waiting.popleft()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}{node.name}"
            if isinstance(node, ast.ClassDef):
                found.setdefault(name, []).append(node)
            within = f"{name}."
        waiting += [(within, child) for child in ast.iter_child_nodes(node)]
    return found


def names_outside_functions(node: ast.AST) -> set[tuple[str, ...]]:
    """Returns the names that are read where a definition or a statement runs, not in its functions.

    Each comes with the attributes that are read of it at once.
    """
    found = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        one = waiting.pop()
        names: list[str] = []
        inner = one
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            if isinstance(inner.ctx, ast.Load):
                found.add((inner.id, *names))
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += inner.decorator_list
        elif not isinstance(inner, ast.Lambda):
            waiting += ast.iter_child_nodes(inner)
    return found


@lru_cache(maxsize=256)
def changed_by_functions(tree: ast.Module) -> frozenset[str]:
    """Returns the names of a module whose values its functions change: given anew, or changed in place."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    inside = (node for one in ast.walk(tree) if isinstance(one, functions) for node in ast.walk(one))
    return frozenset(name for node in inside for name in _changed_by(node))


def _changed_by(node: ast.AST) -> Iterator[str]:
    """The names whose values a node changes."""
    if isinstance(node, ast.Global):
        yield from node.names
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
        yield from _owner(node.func.value)
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield from _owner(node.value)


def _owner(node: ast.AST) -> Iterator[str]:
    """The name that the value belongs to which a node takes a part of."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def imported_from(statement: ast.ImportFrom, around: Mapping[str, Any]) -> str:
    """Returns the name of the module that a statement imports from."""
    try:
        return importlib.util.resolve_name(
            "." * statement.level + (statement.module or ""), around.get("__package__")
        )
    except ImportError:
        return statement.module or ""
