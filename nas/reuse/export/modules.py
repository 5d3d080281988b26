"""The source of a module, taken apart into what its top level defines and imports."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec

from nas.reuse.export.names_used import bound
from search_spaces.arguments import checked
from search_spaces.errors import ExportError

OURS = frozenset({"search_spaces", "workers", "controllers", "nas"})
"""The packages that whoever receives an export does not have."""


@dataclass(frozen=True)
class Definition:
    """A statement at the top of a module that defines names, with the text that goes with it.

    Attributes:
        module: the name of the module.
        node: the statement.
        begin, end: its first byte in the source and the one after its last, comments before it and the
            docstring after it included.
        names: the names that it defines.
    """

    module: str
    node: ast.stmt
    begin: int
    end: int
    names: tuple[str, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from others."""
        return self.module, self.begin


@dataclass(frozen=True)
class Import:
    """An import at the top of a module: of ``name`` from ``module``, or of the module itself (None)."""

    module: str
    name: str | None = None

    @property
    def dotted(self) -> str:
        """Its full name."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


class Module:
    """The source of a module.

    Args:
        name: the name of a module that is imported or can be.

    Raises:
        ExportError: its source cannot be had.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.module = sys.modules.get(name) or import_module(name)
            self.text = inspect.getsource(self.module)
            if name.partition(".")[0] in OURS:
                self.text = _without_checks(self.text)
            tree = ast.parse(self.text)
        except (ImportError, OSError, TypeError, SyntaxError) as error:
            raise ExportError(
                f"the source of module {name!r} is not to be had ({error}): expected own classes in a file"
            ) from error
        self.source = self.text.encode()
        self.title = (ast.get_docstring(tree) or "").partition("\n")[0]
        self.definitions: dict[str, list[Definition]] = {}
        self.imports: dict[str, Import] = {}
        self.before: list[str] = []
        """The modules that are imported first."""
        self._read(tree.body)

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line begins, in bytes."""
        starts = [0]
        for line in self.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def place(self, line: int, column: int = 0) -> int:
        """Returns the byte at a line, counted from 1, and a column, counted from 0 in bytes."""
        return self._lines[line - 1] + column

    def span(self, node: ast.stmt, blank: bool = False) -> tuple[int, int]:
        """Returns where a statement's lines begin and end, with its decorators and the comments before it.

        Args:
            node: the statement.
            blank: whether the blank lines before it are included.
        """
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        while first > 1 and self.line(first - 1).lstrip().startswith(b"#"):
            first -= 1
        while blank and first > 1 and not self.line(first - 1).strip():
            first -= 1
        assert node.end_lineno is not None
        return self.place(first), self.place(node.end_lineno + 1)

    def line(self, number: int) -> bytes:
        """Returns a line, counted from 1."""
        return self.source[self._lines[number - 1] : self._lines[number]]

    def _read(self, body: list[ast.stmt], typing_only: bool = False) -> None:
        for i, node in enumerate(body):
            match node:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        self._import(
                            alias.asname or alias.name.partition(".")[0],
                            Import(alias.name if alias.asname else alias.name.partition(".")[0]),
                            alias.name,
                            typing_only,
                        )
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    if module == "__future__":
                        continue
                    origin = self._absolute(module, level)
                    for alias in aliases:
                        name = alias.asname or alias.name
                        self._import(name, Import(origin, alias.name), origin, typing_only)
                case ast.If(test=test) if is_typing_only(test):
                    self._read(node.body, typing_only=True)
                case _:
                    names = sorted(bound([node]))
                    follows = body[i + 1] if i + 1 < len(body) else None
                    self._define(node, names, follows)

    def _import(self, alias: str, what: Import, module: str, typing_only: bool) -> None:
        self.imports[alias] = what
        if not typing_only:
            self.before.append(module)
            if what.name is not None and is_module(what.dotted):
                self.before.append(what.dotted)

    def _define(self, node: ast.stmt, names: list[str], follows: ast.stmt | None) -> None:
        begin, end = self.span(node)
        about = isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(follows, ast.Expr)
        if about and isinstance(follows.value, ast.Constant):  # type: ignore[union-attr]
            end = self.span(follows)[1]  # type: ignore[arg-type]
        definition = Definition(self.name, node, begin, end, tuple(names))
        for name in names:
            self.definitions.setdefault(name, []).append(definition)

    def _absolute(self, module: str | None, level: int) -> str:
        if level == 0:
            return module or ""
        package = self.module.__package__ or ""
        parts = package.split(".")[: len(package.split(".")) - level + 1]
        return ".".join([*parts, *([module] if module else [])])


def _without_checks(text: str) -> str:
    """Returns source without the decorators that check arguments: those of an export were checked."""
    dropped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        for one in getattr(node, "decorator_list", []):
            if isinstance(one, ast.Call) and getattr(one.func, "id", None) == checked.__name__:
                dropped |= {*range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    lines = text.encode().splitlines(keepends=True)  # as Python counts them
    return b"".join(line for number, line in enumerate(lines, start=1) if number not in dropped).decode()


def is_typing_only(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING``, which is false in a running program."""
    last = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return last == "TYPE_CHECKING"


def is_module(dotted: str) -> bool:
    """Whether there is a module of that name."""
    if dotted in sys.modules:
        return True
    try:
        return find_spec(dotted) is not None
    except (ImportError, ValueError):
        return False


def is_library(name: str) -> bool:
    """Whether a module is installed where an export is used: Python's own, torch, or another library."""
    top = name.partition(".")[0]
    if top in OURS or top == "__main__":
        return False
    if top in sys.stdlib_module_names or top == "torch":
        return True
    try:
        module = sys.modules.get(top) or import_module(top)
    except ImportError:
        return True
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(part in place for place in places for part in ("site-packages", "dist-packages"))


def libraries(names: Iterable[str]) -> list[str]:
    """Returns the libraries among some modules, apart from Python's own and torch."""
    tops = {name.partition(".")[0] for name in names}
    return sorted(top for top in tops if top not in sys.stdlib_module_names and top != "torch")
