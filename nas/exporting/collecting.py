"""The source that classes need to stand in a file of their own, wherever its parts come from.

From each class the names that it uses are followed, from module to module, to what defines them. The parts
are put one after the other as their modules are imported; where two have one name, one is renamed. What comes
from installed libraries is imported.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nas.exporting.modules import OURS, Definition, Import, Module, is_library, is_module, is_typing_only
from nas.exporting.references import Found, is_function, look
from search_spaces.errors import ExportError

ALWAYS = frozenset({"forward", "encode", "loss", "decode"})
"""Methods of our classes that stay, whether anything included asks for them or not."""

Item = Definition | Import


class Collection:
    """Classes and functions with all that they need.

    Args:
        things: classes and functions: of libraries, of ours, or of the user's own.
        names: that the parts may not have: those that the file defines itself.
        imports: by name, what the file imports itself.

    Raises:
        ExportError: the source of a part is not to be had.
    """

    def __init__(
        self, things: Iterable[Any], names: Iterable[str] = (), imports: Mapping[str, Import] | None = None
    ) -> None:
        self._modules: dict[str, Module] = {}
        self._reserved = frozenset(names)
        self._given = imports or {}
        self._asked: set[str] = set(ALWAYS)
        self._roots = [self._place_of(thing) for thing in things]
        before: set[str] = set()
        while before != self._asked:  # methods are there if anything that is there asks for them
            before = set(self._asked)
            self._follow()
        self._names = self._named()

    # -- what is needed ------------------------------------------------------------------------------------

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            self._modules[name] = Module(name)
        return self._modules[name]

    def _place_of(self, thing: Any) -> tuple[Item, str, str]:
        """The part that a class or function is in, the part's name, and what follows that name."""
        module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ExportError(f"{thing!r:.80} has no name by which a file could import or define it")
        if "<locals>" in name or "<lambda>" in name:
            raise ExportError(f"{module}.{name} is made within a function: expected it at the top of a file")
        if module.startswith("torch.nn.modules.") and hasattr(_torch_nn(), name):
            return Import("torch", "nn"), "nn", f".{name}"
        top, dot, rest = name.partition(".")
        if is_library(module):
            return Import(module, top), top, dot + rest
        found = self._resolve(module, top)
        if found is None:
            raise ExportError(f"{module} does not define {top!r} at the top of its file")
        return *found, dot + rest

    def _resolve(self, module: str, name: str) -> tuple[Item, str] | None:
        """What a global name of a module means, and its name there; None: something of Python's own."""
        read = self._module(module)
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
        """What an import gives, as ``name``: of ours and the user's modules, where it is defined."""
        if is_library(what.module) or is_module(what.dotted):
            return what, name
        assert what.name is not None
        found = self._resolve(what.module, what.name)
        if found is None:
            raise ExportError(f"{what.module} does not define {what.name!r} at the top of its file")
        return found

    def _follow(self) -> None:
        self._within: set[str] = set()
        self._uses: dict[tuple[str, int], list[tuple[int, int, Item, str]]] = {}
        """By definition: bytes from and to, what stands there, and its own name."""
        self._found: dict[tuple[str, int], Found] = {}
        self._definitions: list[Definition] = []
        self._imports = {what.dotted: (what, name) for name, what in self._given.items()}
        waiting = [item for item, _, _ in self._roots]
        for item, name, _ in self._roots:
            self._note(item, name)
        while waiting:
            item = waiting.pop()
            if isinstance(item, Definition) and item.key not in self._found:
                self._definitions.append(item)
                waiting += self._look(item)

    def _note(self, item: Item, name: str) -> None:
        if isinstance(item, Import):
            self._imports.setdefault(item.dotted, (item, name))

    def _look(self, definition: Definition) -> Iterator[Item]:
        """Note what a definition uses; gives it."""
        found = look([definition.node], self._keeps(definition))
        for statement in found.imports:
            self._check_within(definition, statement)
        self._found[definition.key], uses = found, []
        self._asked |= found.attributes
        module = self._module(definition.module)
        for reference in found.references:
            target = self._target(definition.module, reference.steps)
            if target is None:
                continue
            item, name, node = target
            first = reference.steps[0][1]
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = module.place(first.lineno, first.col_offset)
            uses.append((begin, module.place(node.end_lineno, node.end_col_offset), item, name))
            # annotations are not evaluated: a class that only they name may be missing
            if not reference.annotation or isinstance(item, Import) or _is_constant(item):
                self._note(item, name)
                yield item
        self._uses[definition.key] = uses
        for name in definition.names:
            yield from self._module(definition.module).definitions[name]

    def _target(
        self, module: str, steps: tuple[tuple[str, ast.expr], ...]
    ) -> tuple[Item, str, ast.expr] | None:
        """What a name with attributes means: the item, its name, and the node where that ends."""
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
            self._within.add(name)

    def _keeps(self, definition: Definition) -> Any:
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

    # -- names ---------------------------------------------------------------------------------------------

    def _named(self) -> dict[Any, str]:
        """The name of each part in the file; its own, where no other part has it."""
        local = set().union(*(found.local for found in self._found.values()))
        # where another spelling than the part's own name stands, a function might mean something else by it
        respelled = {
            _key(item, name)
            for key, uses in self._uses.items()
            for begin, end, item, name in uses
            if self._module(key[0]).source[begin:end].decode() != self._own_name(item, name)
        }
        wanted: list[tuple[Any, str, str]] = [
            (dotted, name, what.module)
            for dotted, (what, name) in self._imports.items()
            if name in self._given
        ]
        wanted += [
            ((definition.key, name), name, definition.module)
            for definition in self.ordered()
            for name in definition.names
        ]
        wanted += [(dotted, name, what.module) for dotted, (what, name) in self._imports.items()]
        names: dict[Any, str] = {}
        taken = set(self._reserved)
        for key, name, module in wanted:
            if key in names:
                continue
            own = name
            while own in taken or (key in respelled and own in local):
                tail = module.rpartition(".")[2].strip("_")
                own = f"{tail.upper() if name.isupper() else tail}_{own.lstrip('_')}"
            names[key] = own
            taken.add(own)
        return names

    def _own_name(self, item: Item, name: str) -> str:
        return self._imports[item.dotted][1] if isinstance(item, Import) else name

    def name_of(self, thing: Any) -> str:
        """How the file speaks of one of the things."""
        item, name, rest = self._place_of(thing)
        return self._names[_key(item, name)] + rest

    # -- the text ------------------------------------------------------------------------------------------

    def ordered(self) -> list[Definition]:
        """The definitions, each after those that must be there before it: as modules import each other."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or is_library(name) or not is_module(name):
                return
            read = self._module(name)
            if name in opened:
                return
            opened.add(name)
            for other in read.before:
                visit(other)
            order.append(name)

        opened: set[str] = set()
        for definition in sorted(self._definitions, key=lambda one: one.key):
            visit(definition.module)
        return sorted(self._definitions, key=lambda one: (order.index(one.module), one.begin))

    @property
    def modules(self) -> list[str]:
        """The modules whose source is in the file."""
        return list(dict.fromkeys(definition.module for definition in self.ordered()))

    @property
    def imported(self) -> list[str]:
        """The modules that the file imports, at its top or within functions."""
        return sorted({what.module for what, _ in self._imports.values()} | self._within)

    def imports(self) -> list[str]:
        """The lines that import what comes from libraries."""
        whole: list[tuple[str, str]] = []
        members: dict[tuple[str, str], list[str]] = {}
        for dotted, (what, _) in self._imports.items():
            name = self._names[dotted]
            alias = "" if name == (what.name or what.module) else f" as {name}"
            if what.name is None:
                whole.append((what.module, f"import {what.module}{alias}"))
            else:
                members.setdefault((what.module, alias), []).append(what.name + alias)
        names = [
            (module, f"from {module} import {', '.join(sorted(own))}")
            for (module, _), own in sorted(members.items())
        ]
        lines = [*sorted(whole), *names]
        own, others = (
            [line for module, line in lines if (module.partition(".")[0] in sys.stdlib_module_names) is first]
            for first in (True, False)
        )
        return [*own, "", *others]  # as isort has it

    def sections(self) -> list[tuple[str, str]]:
        """For each module what is taken from it: the first line of its docstring, and the source."""
        sections: dict[str, list[str]] = {}
        for definition in self.ordered():
            sections.setdefault(definition.module, []).append(self._text(definition))
        return [(self._module(name).title or name, "\n\n\n".join(texts)) for name, texts in sections.items()]

    def _text(self, definition: Definition) -> str:
        """A definition with the names that its parts have in the file."""
        module = self._module(definition.module)
        edits = [
            (begin, end, self._names[_key(item, name)])
            for begin, end, item, name in self._uses[definition.key]
            if _key(item, name) in self._names
        ]
        node = definition.node
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            begin = module.place(node.lineno, node.col_offset)
            head = re.match(rb"(async\s+def|def|class)\s+", module.source[begin:])
            assert head is not None
            begin += head.end()
            edits.append((begin, begin + len(node.name.encode()), self._names[(definition.key, node.name)]))
        if isinstance(node, ast.ClassDef):
            keeps = self._keeps(definition)
            dropped = [one for one in node.body if not keeps(node, one)]
            edits += [(*module.span(one, blank=True), "") for one in dropped]
            if len(dropped) == len(node.body):
                edits.append((definition.end, definition.end, "    pass\n"))
        pieces, at = [], definition.begin
        for begin, end, new in sorted(edits):
            pieces += [module.source[at:begin], new.encode()]
            at = end
        pieces.append(module.source[at : definition.end])
        text = b"".join(pieces).decode().strip("\n")
        if definition.module.partition(".")[0] in OURS:
            text = re.sub(r"[ \t]*# (?:type: ignore|noqa)[^\n]*", "", text)
        return text


def _key(item: Item, name: str) -> Any:
    return item.dotted if isinstance(item, Import) else (item.key, name)


def _is_constant(item: Definition) -> bool:
    return isinstance(item.node, ast.Assign | ast.AnnAssign)


def _torch_nn() -> Any:
    import torch

    return torch.nn
