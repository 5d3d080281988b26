"""Whose code is: the user's own, or that of Python, of installed packages or of ours."""

from __future__ import annotations

import functools
import site
import sys
import sysconfig
import types
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import controllers
import search_spaces
import workers
from nas.search.code_syntax import class_nodes

OURS = ("search_spaces", "controllers", "workers", "nas")
"""The names of our own packages."""


@cache
def _foreign() -> tuple[Path, ...]:
    """The folders of the standard library, of installed packages and of our own."""
    ours = [Path(str(one.__file__)).resolve().parent for one in (search_spaces, controllers, workers)]
    paths = sysconfig.get_paths()
    installed = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return (
        *ours,
        Path(__file__).resolve().parents[1],
        *(Path(one).resolve() for one in (*installed, *site.getsitepackages())),
    )


@lru_cache(maxsize=4096)
def is_users_file(file: str) -> bool:
    """Whether a file is one of the user's own."""
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _foreign())


def file_of(module: types.ModuleType | None) -> str | None:
    """Returns the file of a module; one that makes its names when they are asked for is not asked."""
    file = None if module is None else vars(module).get("__file__")
    return file if isinstance(file, str) else None


def is_users_module(module: types.ModuleType) -> bool:
    """Whether a module is one of the user's own files."""
    file = file_of(module)
    return file is not None and is_users_file(file)


def is_users_function(function: types.FunctionType) -> bool:
    """Whether a function is of the user's own files, or of a session at the prompt."""
    file, name = function.__code__.co_filename, function.__module__ or "__main__"
    if not file.startswith("<"):
        return is_users_file(file)
    # the methods that dataclasses and attrs write follow from the source of their class
    written = "__create_fn__" in function.__code__.co_qualname or file.startswith("<attrs")
    return not written and _is_users_text(name)


def _is_users_text(name: str) -> bool:
    """Whether code without a file is the user's: what libraries make of text has a module of theirs."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return False
    file = None if name == "__main__" else file_of(sys.modules.get(name))
    return file is None or is_users_file(file)


def home_of(kind: type) -> str | None:
    """Returns the file of a class of the user's own, ``<text>`` where it has none; None for one of others."""
    file = file_of(sys.modules.get(kind.__module__))
    if file is not None and kind.__module__ != "__main__":
        return str(file) if is_users_file(file) else None
    if file is not None and is_users_file(file) and class_nodes(kind, file):
        return str(file)
    # the cells of a notebook are files of their own: those of its methods
    functions = [one for one in map(inner_function, vars(kind).values()) if one is not None]
    for one in functions:
        if not one.__code__.co_filename.startswith("<") and is_users_function(one):
            return one.__code__.co_filename
    typed = kind.__module__ == "__main__" or any(one.__code__.co_filename[:1] == "<" for one in functions)
    return "<text>" if typed and _is_users_text(kind.__module__) else None


def inner_function(value: Any) -> types.FunctionType | None:
    """Returns the function in a member of a class, if it is one."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    return value if isinstance(value, types.FunctionType) else None
