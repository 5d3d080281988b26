"""What classes need to stand in a file of their own, wherever its parts come from.

From each class the names that it uses are followed, from module to module, to what defines them.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas.reuse.export.modules import OURS, Definition, Import, Module, is_library, is_module, is_typing_only
from nas.reuse.export.names_used import NamesUsed, is_function, names_used
from search_spaces.errors import ExportError

ALWAYS = frozenset({"forward", "encode", "loss", "decode", "_load_from_state_dict"})
"""The methods of our classes that stay, whether anything included asks for them or not: the file's user calls
them, or torch does."""

Item = Definition | Import

Key = tuple[str, int]
"""What names a definition: its module, and where it begins."""


@dataclass(frozen=True)
class Use:
    """A place in the source of a module that speaks of a definition or an import.

    Attributes:
        begin, end: the first byte of the place, and the one after its last.
        item: the definition or the import.
        name: the name that is meant, as the item has it.
    """

    begin: int
    end: int
    item: Item
    name: str


class Collection:
    """Classes and functions with all that they need.

    Args:
        things: the classes and functions, which may be of libraries, ours, or the user's own.
        imports: what the file imports itself, by the name that it has there.

    Attributes:
        definitions: what is needed of our modules and the user's, in no order.
        imports: what is needed of libraries, by full name: the import, and the name that it was given first.
        uses: the places where each definition speaks of others, by its key.
        used: the names that each definition uses, by its key.
        within: the modules that are imported within functions.

    Raises:
        ExportError: the source of something that is needed cannot be had.
    """

    def __init__(self, things: Iterable[Any], imports: Mapping[str, Import]) -> None:
        self._modules: dict[str, Module] = {}
        self._given = imports
        self._asked: set[str] = set(ALWAYS)
        self._roots = [self.place_of(thing) for thing in things]
        before: set[str] = set()
        while before != self._asked:  # methods are there if anything that is there asks for them
            before = set(self._asked)
            self._follow()

    def module(self, name: str) -> Module:
        """Returns the source of a module, read once."""
        if name not in self._modules:
            self._modules[name] = Module(name)
        return self._modules[name]

    def place_of(self, thing: Any) -> tuple[Item, str, str]:
        """Returns the item that a class or function is in, the item's name, and what follows that name."""
        module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ExportError(f"{thing!r:.80} has no name by which a file could import or define it")
        if "<locals>" in name or "<lambda>" in name:
            raise ExportError(f"{module}.{name} is made within a function: expected it at the top of a file")
        if module.startswith("torch.nn.modules.") and hasattr(nn, name):
            return Import("torch", "nn"), "nn", f".{name}"
        top, dot, rest = name.partition(".")
        if is_library(module):
            return Import(module, top), top, dot + rest
        found = self._resolve(module, top)
        if found is None:
            raise ExportError(f"{module} does not define {top!r} at the top of its file")
        return *found, dot + rest

    def _resolve(self, module: str, name: str) -> tuple[Item, str] | None:
        """Returns what a global name of a module means, and its name there; None for Python's own names."""
        read = self.module(module)
        if name in read.definitions:
            return read.definitions[name][-1], name
        if name in read.imports:
            return self._origin(read.imports[name], name)
        if hasattr(builtins, name):
            return None
        if "*" in read.imports:
            raise ExportError(f"{module} imports * from {read.imports['*'].module}: expected names")
        return None

    def _origin(self, what: Import, name: str) -> tuple[Item, str]:
        """Returns what an import stands for: in our modules and the user's, where that is defined."""
        if is_library(what.module) or is_module(what.dotted):
            return what, name
        assert what.name is not None
        found = self._resolve(what.module, what.name)
        if found is None:
            raise ExportError(f"{what.module} does not define {what.name!r} at the top of its file")
        return found

    def _follow(self) -> None:
        self.within: set[str] = set()
        self.uses: dict[Key, list[Use]] = {}
        self.used: dict[Key, NamesUsed] = {}
        self.definitions: list[Definition] = []
        self.imports = {what.dotted: (what, name) for name, what in self._given.items()}
        waiting = [item for item, _, _ in self._roots]
        for item, name, _ in self._roots:
            self._note(item, name)
        while waiting:
            item = waiting.pop()
            if isinstance(item, Definition) and item.key not in self.used:
                self.definitions.append(item)
                waiting += self._look(item)

    def _note(self, item: Item, name: str) -> None:
        if isinstance(item, Import):
            self.imports.setdefault(item.dotted, (item, name))

    def _look(self, definition: Definition) -> Iterator[Item]:
        """Notes what a definition uses, and yields it."""
        used = names_used([definition.node], self.keeps(definition))
        for statement in used.imports:
            self._check_within(definition, statement)
        uses: list[Use] = []
        self.used[definition.key] = used
        self._asked |= used.attributes
        module = self.module(definition.module)
        for global_name in used.global_names:
            target = self._target(definition.module, global_name.steps)
            if target is None:
                continue
            item, name, node = target
            first = global_name.steps[0][1]
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = module.place(first.lineno, first.col_offset)
            uses.append(Use(begin, module.place(node.end_lineno, node.end_col_offset), item, name))
            # annotations are not evaluated: a class that only they name may be missing
            if not global_name.annotation or isinstance(item, Import) or _is_constant(item):
                self._note(item, name)
                yield item
        self.uses[definition.key] = uses
        for name in definition.names:
            yield from self.module(definition.module).definitions[name]

    def _target(
        self, module: str, steps: tuple[tuple[str, ast.expr], ...]
    ) -> tuple[Item, str, ast.expr] | None:
        """Returns what a name with attributes means: the item, its name, and the node where that ends."""
        spelled, node = steps[0]
        found = self._resolve(module, spelled)
        if found is None:
            return None
        item, name = found
        for attribute, after in steps[1:]:
            if not isinstance(item, Import) or is_library(item.module):
                break
            node = after
            item, name = self._origin(Import(item.dotted, attribute), attribute)
        if isinstance(item, Import) and not is_library(item.module):
            raise ExportError(f"{module} uses the module {item.dotted} as a value: expected names from it")
        return item, name, node

    def _check_within(self, definition: Definition, node: ast.Import | ast.ImportFrom) -> None:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or "."]
        for name in names:
            if not is_library(name):
                raise ExportError(
                    f"{definition.module}: {definition.names[0]} imports {name} within a function: expected "
                    "the import at the top of the file"
                )
            self.within.add(name)

    def keeps(self, definition: Definition) -> Callable[[ast.ClassDef, ast.stmt], bool]:
        """Returns which statements in a class are needed: nearly all in the user's classes."""
        ours = definition.module.partition(".")[0] in OURS

        def keeps(owner: ast.ClassDef, statement: ast.stmt) -> bool:
            if isinstance(statement, ast.If) and is_typing_only(statement.test):
                return False
            if not is_function(statement):
                return True
            name: str = statement.name  # type: ignore[attr-defined]
            if not ours:  # of the user's classes who knows what torch calls
                return name != "canonical"
            return name in self._asked or (name.startswith("__") and name.endswith("__"))

        return keeps

    def ordered(self) -> list[Definition]:
        """Returns the definitions in the order in which modules import each other."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or is_library(name) or not is_module(name):
                return
            read = self.module(name)
            if name in opened:
                return
            opened.add(name)
            for other in read.before:
                visit(other)
            order.append(name)

        opened: set[str] = set()
        for definition in sorted(self.definitions, key=lambda one: one.key):
            visit(definition.module)
        return sorted(self.definitions, key=lambda one: (order.index(one.module), one.begin))


def _is_constant(item: Definition) -> bool:
    return isinstance(item.node, ast.Assign | ast.AnnAssign)
