"""Python expressions: layers and plain values as the code that makes them, laid out over lines.

Whatever comes from data and reaches a file of Python passes one of the functions here: values and names of
arguments `Writer`, texts `quoted`, what is said of the network `docstring` and `comment`.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from search_spaces.errors import ExportError
from search_spaces.nodes import Layer, Sequential

WIDTH = 110


@dataclass(frozen=True)
class Code:
    """An expression that is text already."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call of a class or function with arguments in their order, then by name."""

    factory: Any
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None


def classes_in(value: Any) -> Iterator[Any]:
    """Yields the classes and functions that the code of a value speaks of."""
    if isinstance(value, Layer):
        yield value.factory
        yield from classes_in(value.arguments)
    elif isinstance(value, Call):
        yield value.factory
        yield from classes_in([*value.positional, dict(value.named or {})])
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from classes_in(member)
    elif isinstance(value, Sequential):
        yield from classes_in(value.parts)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from classes_in(member)
    elif isinstance(value, Code):
        return
    elif _is_data(value):
        yield type(value)
        yield from classes_in(_fields(value))
    elif callable(value):
        yield value


class Writer:
    """Writes values as code.

    Args:
        name_of: the function that says how the code speaks of a class or function.
        chain: the class of layers in a row.
    """

    def __init__(self, name_of: Callable[[Any], str], chain: Any) -> None:
        self._name_of, self._chain = name_of, chain

    def write(self, value: Any, indent: int = 0, before: int = 0) -> str:
        """Returns the code of a value, over several lines where it needs them.

        Args:
            value: plain data, layers, data classes, classes, or `Code`.
            indent: the columns before its further lines.
            before: the columns that are taken on its first line, and on its last.

        Raises:
            ExportError: there is no code for it.
        """
        head, parts, tail = self._taken_apart(value)
        if parts is None:
            return head
        line = head + ", ".join(key + self.write(member, 0, -(10**6)) for key, member in parts) + tail
        if tail == ",)":
            line = head + self.write(parts[0][1], 0, -(10**6)) + tail
        if indent + before + len(line) <= WIDTH or not parts:
            return line
        inner = indent + 4
        lines = [" " * inner + key + self.write(member, inner, len(key) + 1) for key, member in parts]
        return head + "\n" + ",\n".join(lines) + ",\n" + " " * indent + tail.removeprefix(",")

    def _taken_apart(self, value: Any) -> tuple[str, list[tuple[str, Any]] | None, str]:
        """Returns what comes before the members of a value, they with their keys, and what comes after."""
        match value:
            case Code(text):
                return text, None, ""
            case None | bool() | int():
                return repr(value), None, ""
            case str():
                return quoted(value), None, ""
            case float():
                return repr(value) if math.isfinite(value) else f'float("{value}")', None, ""
            case Layer(factory, arguments):
                return self._call(factory, (), arguments)
            case Sequential(parts):
                return self._call(self._chain, parts, {})
            case Call(factory, positional, named):
                return self._call(factory, positional, named or {})
            case Mapping():
                return "{", [(f"{self.write(key)}: ", member) for key, member in value.items()], "}"
            case list():
                return "[", _bare(value), "]"
            case tuple():
                return "(", _bare(value), ",)" if len(value) == 1 else ")"
            case set() | frozenset() if value:
                return "{", _bare(sorted(value, key=repr)), "}"
        if _is_data(value):
            return self._call(type(value), (), _fields(value))
        if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
            return str(value), None, ""
        if callable(value):
            return identifier(self._name_of(value)), None, ""
        raise ExportError(f"there is no Python code for {value!r:.80} in the network")

    def _call(
        self, factory: Any, positional: Iterable[Any], named: Mapping[str, Any]
    ) -> tuple[str, list[tuple[str, Any]], str]:
        named_parts = [(f"{identifier(key, dots=False)}=", member) for key, member in named.items()]
        return f"{identifier(self._name_of(factory))}(", [*_bare(positional), *named_parts], ")"


def identifier(name: object, *, dots: bool = True) -> str:
    """Returns a name as code, if it is one.

    Args:
        name: the name of a class, a function or an argument.
        dots: whether it may be of an attribute, such as ``nn.Linear``.

    Raises:
        ExportError: it is no name in Python.
    """
    parts = (str(name).split(".") if dots else [name]) if isinstance(name, str) else [""]
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise ExportError(f"{name!r:.80} is no name in Python: there is no code that would hold only it")
    return ".".join(parts)


def docstring(text: str) -> str:
    """Returns a text as a docstring, whatever it holds."""
    shown = "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)
    shown = shown.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{shown}\n"""'


def comment(text: str) -> str:
    """Returns a text as a comment of one line, whatever it holds."""
    return "# " + "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def quoted(text: str) -> str:
    """Returns a text as code, in double quotes where it can be."""
    code = repr(text)
    return code if '"' in code or "\\'" in code else f'"{code[1:-1]}"'


def _bare(members: Iterable[Any]) -> list[tuple[str, Any]]:
    return [("", member) for member in members]


def _fields(data: Any) -> dict[str, Any]:
    """Returns the fields of an instance of a data class."""
    return {f.name: getattr(data, f.name) for f in fields(data)}


def _is_data(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
