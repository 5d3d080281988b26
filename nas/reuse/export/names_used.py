"""Which names a piece of Python uses: the global ones, and where; the local ones; attributes and imports."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Keeps = Callable[[ast.ClassDef, ast.stmt], bool]
"""Whether a statement in the body of a class is looked at."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class GlobalName:
    """A use of a global name, with the attributes asked of it: ``nn.functional.relu``.

    Attributes:
        steps: the name, then the attributes, each with the node that ends there.
        annotation: whether it stands in an annotation, which is never evaluated.
    """

    steps: tuple[tuple[str, ast.expr], ...]
    annotation: bool


@dataclass
class NamesUsed:
    """The names that a piece of Python uses.

    Attributes:
        global_names: every use of a global name.
        local: the names that functions bind for themselves.
        attributes: every attribute that is asked of anything.
        imports: the import statements within functions.
    """

    global_names: list[GlobalName]
    local: set[str]
    attributes: set[str]
    imports: list[ast.Import | ast.ImportFrom]


def names_used(nodes: Iterable[ast.AST], keeps: Keeps = lambda owner, statement: True) -> NamesUsed:
    """Returns the names that statements at the top of a module use.

    Args:
        nodes: the statements.
        keeps: whether a statement in the body of a class is looked at.
    """
    visitor = _Visitor(keeps)
    for node in nodes:
        visitor.visit(node)
    return visitor.used


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns the names that statements bind in their own scope."""
    names: set[str] = set()
    elsewhere: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
                continue
            case ast.Lambda():
                continue
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                walrus = (sub for sub in ast.walk(node) if isinstance(sub, ast.NamedExpr))
                names |= {sub.target.id for sub in walrus}
                continue
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.Global(names=declared) | ast.Nonlocal(names=declared):
                elsewhere |= set(declared)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                names.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                names.add(name)
        waiting.extend(ast.iter_child_nodes(node))
    return names - elsewhere


class _Visitor(ast.NodeVisitor):
    """Keeps the scopes that it is in: the names that each binds, and whether it is that of a class."""

    def __init__(self, keeps: Keeps) -> None:
        self.used = NamesUsed([], set(), set(), [])
        self._keeps = keeps
        self._scopes: list[tuple[set[str], bool]] = []
        self._annotation = False

    def _is_global(self, name: str) -> bool:
        # what a class binds is seen from its body, but not from the functions in it
        last = len(self._scopes) - 1
        return not any(
            name in names and (not of_class or i == last) for i, (names, of_class) in enumerate(self._scopes)
        )

    @contextmanager
    def _scope(self, names: set[str], of_class: bool = False) -> Iterator[None]:
        if not of_class:
            self.used.local |= names
        self._scopes.append((names, of_class))
        yield
        self._scopes.pop()

    def _visit(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _visit_annotations(self, nodes: Iterable[ast.AST | None]) -> None:
        before, self._annotation = self._annotation, True
        self._visit(nodes)
        self._annotation = before

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_global(node.id):
            self.used.global_names.append(GlobalName(((node.id, node),), self._annotation))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        steps: list[tuple[str, ast.expr]] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            steps.insert(0, (inner.attr, inner))
            inner = inner.value
        self.used.attributes |= {name for name, _ in steps}
        if not isinstance(inner, ast.Name):
            self.visit(inner)
        elif self._is_global(inner.id):
            whole = ((inner.id, inner), *steps)
            self.used.global_names.append(GlobalName(whole, self._annotation))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = _arguments(node.args)
        self._visit([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults])
        self._visit_annotations([*(argument.annotation for argument in arguments), node.returns])
        with self._scope(bound(node.body) | {argument.arg for argument in arguments}):
            self._visit(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit([*node.args.defaults, *node.args.kw_defaults])
        with self._scope({argument.arg for argument in _arguments(node.args)}):
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit([*node.decorator_list, *node.bases, *node.keywords])
        body = [statement for statement in node.body if self._keeps(node, statement)]
        with self._scope(bound(body), of_class=True):
            self._visit(body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit([node.target, node.value])
        self._visit_annotations([node.annotation])

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if self._scopes:
            self.used.imports.append(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)

    def generic_visit(self, node: ast.AST) -> None:
        if not isinstance(node, _COMPREHENSIONS):
            super().generic_visit(node)
            return
        self.visit(node.generators[0].iter)  # evaluated outside
        with self._scope(bound(generator.target for generator in node.generators)):
            for i, generator in enumerate(node.generators):
                self._visit([generator.target, *([generator.iter] if i else []), *generator.ifs])
            self._visit([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def is_function(node: ast.AST) -> bool:
    """Whether a statement defines a function."""
    return isinstance(node, _FUNCTIONS)
