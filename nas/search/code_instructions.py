"""The instructions of functions: what they read and import, and what stands for one without source."""

from __future__ import annotations

import dis
import json
import sys
import types
from collections.abc import Iterator
from typing import Any


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yields code and all that is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def globals_used(code: types.CodeType) -> set[tuple[str, ...]]:
    """Returns the names of its module that code reads, each with the attributes that are read at once."""
    found = set()
    for one in _codes(code):
        names: list[str] = []
        for instruction in dis.get_instructions(one):
            if names and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                names.append(str(instruction.argval))
                continue
            if names:
                found.add(tuple(names))
            reads = instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
            names = [str(instruction.argval)] if reads else []
        if names:
            found.add(tuple(names))
    return found


def imports_of(code: types.CodeType) -> set[str]:
    """Returns the names of the modules that code imports when it runs."""
    return {
        str(instruction.argval)
        for one in _codes(code)
        for instruction in dis.get_instructions(one)
        if instruction.opname == "IMPORT_NAME"
    }


def instructions_of(code: types.CodeType) -> str:
    """Returns what code without source does; another version of Python has other instructions."""
    parts: list[Any] = [".".join(map(str, sys.version_info[:2]))]
    for one in _codes(code):
        constants = [repr(value) for value in one.co_consts if not isinstance(value, types.CodeType)]
        parts += [one.co_code.hex(), constants, one.co_names, one.co_varnames]
    return json.dumps(parts)
