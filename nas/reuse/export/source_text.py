"""The text of a file that holds classes with all that they need.

The parts are put one after the other as their modules are imported; where two have one name, one is renamed.
What comes from installed libraries is imported.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from nas.reuse.export.collecting import Collection, Item, Use
from nas.reuse.export.modules import OURS, Definition, Import


class SourceText:
    """The text of classes and functions with all that they need.

    Args:
        things: the classes and functions, which may be of libraries, ours, or the user's own.
        names: the names that the file defines itself, which no part may have.
        imports: what the file imports itself, by the name that it has there.

    Raises:
        ExportError: the source of a part cannot be had.
    """

    def __init__(self, things: Iterable[Any], names: Iterable[str], imports: Mapping[str, Import]) -> None:
        self._needed = Collection(things, imports)
        self._ordered = self._needed.ordered()
        self._names = self._named(names, imports)

    def _named(self, reserved: Iterable[str], given: Mapping[str, Import]) -> dict[Any, str]:
        """Returns the name of each part in the file: its own, where no other part has it."""
        local = set().union(*(used.local for used in self._needed.used.values()))
        # where another spelling than the part's own name stands, a function might mean something else by it
        respelled = {
            _key(use.item, use.name)
            for key, uses in self._needed.uses.items()
            for use in uses
            if self._needed.module(key[0]).source[use.begin : use.end].decode() != self._own_name(use)
        }
        wanted: list[tuple[Any, str, str]] = [
            (dotted, name, what.module)
            for dotted, (what, name) in self._needed.imports.items()
            if name in given
        ]
        wanted += [
            ((definition.key, name), name, definition.module)
            for definition in self._ordered
            for name in definition.names
        ]
        wanted += [(dotted, name, what.module) for dotted, (what, name) in self._needed.imports.items()]
        names: dict[Any, str] = {}
        taken = set(reserved)
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

    def _own_name(self, use: Use) -> str:
        return self._needed.imports[use.item.dotted][1] if isinstance(use.item, Import) else use.name

    def name_of(self, thing: Any) -> str:
        """Returns how the file speaks of one of the things."""
        item, name, rest = self._needed.place_of(thing)
        return self._names[_key(item, name)] + rest

    @property
    def modules(self) -> list[str]:
        """The modules whose source is in the file."""
        return list(dict.fromkeys(definition.module for definition in self._ordered))

    @property
    def imported(self) -> list[str]:
        """The modules that the file imports, at its top or within functions."""
        return sorted({what.module for what, _ in self._needed.imports.values()} | self._needed.within)

    def imports(self) -> list[str]:
        """Returns the lines that import what comes from libraries."""
        whole: list[tuple[str, str]] = []
        members: dict[tuple[str, str], list[str]] = {}
        for dotted, (what, _) in self._needed.imports.items():
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
        """Returns what is taken from each module: the first line of its docstring, and the source."""
        sections: dict[str, list[str]] = {}
        for definition in self._ordered:
            sections.setdefault(definition.module, []).append(self._text(definition))
        return [
            (self._needed.module(name).title or name, "\n\n\n".join(texts))
            for name, texts in sections.items()
        ]

    def _text(self, definition: Definition) -> str:
        """Returns the source of a definition, with the names that its parts have in the file."""
        module = self._needed.module(definition.module)
        edits = [
            (use.begin, use.end, self._names[_key(use.item, use.name)])
            for use in self._needed.uses[definition.key]
            if _key(use.item, use.name) in self._names
        ]
        node = definition.node
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            begin = module.place(node.lineno, node.col_offset)
            head = re.match(rb"(async\s+def|def|class)\s+", module.source[begin:])
            assert head is not None
            begin += head.end()
            edits.append((begin, begin + len(node.name.encode()), self._names[(definition.key, node.name)]))
        if isinstance(node, ast.ClassDef):
            keeps = self._needed.keeps(definition)
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
