"""What tells the code of a search's own modules and functions from what it was: its source and its values."""

from __future__ import annotations

import ast
import builtins
import dis
import enum
import functools
import hashlib
import importlib.util
import json
import linecache
import site
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import controllers
import search_spaces
import workers
from nas.search.fingerprint import tensor_hash
from search_spaces.errors import PluginError
from search_spaces.registry import reference
from workers import problems
from workers.tabular import Table

if TYPE_CHECKING:
    from search_spaces.space import Space
    from workers.problems import Problem

PROBLEM = "the table's answers"
"""The name of the code that answers for a `Table`, beside the names of its functions."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_NO_MEMBERS = {"__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl", "_name_in_script"}
_OF_A_MODULE = ("_parameters", "_buffers", "_modules")
_RAW = (type(None), bool, int, float, complex, str, bytes, type(...), range)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
_CODE = (type, types.ModuleType, *_FUNCTIONS)


def code_of(space: Space, problem: Problem | Table) -> dict[str, str]:
    """Returns the hashes of the code that a search's networks and problem are made with, by its names.

    Code is what lies in files of the user's own (not of the standard library, nor installed packages, nor
    ours): the classes and functions that the layers of the space name, the function that answers for a table
    or loads a problem of a plug-in, and whatever these use in turn: functions, base classes, constants of
    modules, default values of arguments, and the values that functions have from around them (closures). A
    module-level value that can be changed counts by the statements that make it, so that counters and caches
    make no other code. Comments, layout and docstrings count for nothing. Code without source, as of an
    interactive session, counts by its instructions.

    Args:
        space: the space of the search.
        problem: the problem of the search, or a table.

    Returns:
        16 hex digits for each name, such as ``my_search.Block``. The hash of one says which others it uses by
        their names: only the hash of what has changed is another one.
    """
    reader = _Reader()
    reader.token(space.value)
    if isinstance(problem, Table):
        reader.found.setdefault(PROBLEM, set()).add(reader.token(problem.answer))
    else:
        with suppress(PluginError):  # it was made some other way
            reader.token(problems.catalog.get(problem.name))
    return {name: _hash(*sorted(hashes)) for name, hashes in sorted(reader.found.items())}


class _Reader:
    """Reads code, and what it uses.

    Attributes:
        found: the hashes of each name; a name may stand for several, such as one for each value around it.
    """

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}
        self._read: dict[int, tuple[Any, str]] = {}  # by id; what is read is kept, so that no id comes again
        self._within: set[int] = set()
        self._made: set[tuple[str, str]] = set()  # the values of modules that are being read

    def token(self, value: Any) -> str:
        """Returns text that stands for a value; what it is made of in the user's files is noted by name."""
        if isinstance(value, enum.Enum):
            return f"{self.token(type(value))}.{value.name}"
        if isinstance(value, _RAW):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if id(value) in self._within:
            return "itself"
        self._within.add(id(value))
        try:
            return self._callable(value) or self._data(value)
        except Exception:  # a stranger's object may do anything when it is looked at
            return f"{type(value).__module__}.{type(value).__qualname__}"
        finally:
            self._within.discard(id(value))

    # -- values --------------------------------------------------------------------------------------------

    def _data(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"{self.token(type(value))} {[self.token(one) for one in value]}"
        if isinstance(value, Mapping):
            pairs = [(self.token(key), self.token(one)) for key, one in value.items()]
            return f"{self.token(type(value))} {pairs}"
        if isinstance(value, set | frozenset):
            return f"{self.token(type(value))} {sorted(self.token(one) for one in value)}"
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return f"tensor {_tensor(value)}"
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(value, "__array__"):
            array = numpy.asarray(value)
            if array.dtype.hasobject:
                return f"array {array.shape} {[self.token(one) for one in array.ravel().tolist()]}"
            whole = hashlib.blake2b(numpy.ascontiguousarray(array).tobytes()).hexdigest()
            return f"array {array.shape} {array.dtype} {whole}"
        kind = type(value)
        module = torch is not None and isinstance(value, torch.nn.Module)
        if module or _home(kind) is not None or kind.__module__.partition(".")[0] in _OURS:
            return f"{self.token(kind)} {self._members(value)}"
        text = repr(value)
        return f"{kind.__module__}.{kind.__qualname__} {'' if ' at 0x' in text else text}"

    def _members(self, value: Any) -> list[tuple[str, str]]:
        slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
        members = {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})
        kept = [name for name in sorted(members) if name not in _NO_MEMBERS]
        if "_parameters" in members:
            # a module's hooks and the like are torch's, and another version's differ
            kept = [name for name in kept if name[:1] != "_" or name in _OF_A_MODULE]
        return [(name, self.token(members[name])) for name in kept]

    def _callable(self, value: Any) -> str | None:
        """Text for what is a function or holds one; None for anything else."""
        if isinstance(value, staticmethod | classmethod):
            return f"{type(value).__name__} {self.token(value.__func__)}"
        if isinstance(value, property):
            return f"property {[self.token(one) for one in (value.fget, value.fset, value.fdel)]}"
        if isinstance(value, functools.cached_property):
            return f"cached {self.token(value.func)}"
        if isinstance(value, functools.partial):
            return f"partial {[self.token(one) for one in (value.func, value.args, value.keywords)]}"
        if isinstance(value, types.MethodType):
            return f"method {self.token(value.__func__)} {self.token(value.__self__)}"
        if isinstance(value, types.BuiltinFunctionType):
            return f"{value.__module__}.{value.__qualname__}"
        wrapped = getattr(value, "__wrapped__", None)  # what functools.cache makes, and its like
        return None if wrapped is None else f"{type(value).__qualname__} {self.token(wrapped)}"

    # -- code ----------------------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> str:
        known = self._read.get(id(function))
        if known is not None:
            return known[1]
        name = f"{_module_name(function.__module__, function)}.{function.__qualname__}"
        if not _is_users_function(function):
            within = self._within_foreign(function)
            return f"{function.__code__.co_qualname} {within}" if within else name
        self._read[id(function)] = (function, name)
        self._note(
            name, "function", _source(function) or _instructions(function.__code__), *self._uses(function)
        )
        return name

    def _within_foreign(self, function: types.FunctionType) -> list[str]:
        """What a function of others holds of the user's: a decorator of a library is around one."""
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
        functions = [one for one in cells if isinstance(one, types.FunctionType)]
        return [self.token(one) for one in functions if _is_users_function(one)]

    def _class(self, kind: type) -> str:
        known = self._read.get(id(kind))
        if known is not None:
            return known[1]
        name = f"{_module_name(kind.__module__, kind)}.{kind.__qualname__}"
        file = _home(kind)
        if file is None:
            return name
        self._read[id(kind)] = (kind, name)
        nodes = _class_nodes(kind, file)
        facts = [ast.unparse(node) for node in nodes] + [self.token(base) for base in kind.__bases__]
        around = vars(sys.modules.get(kind.__module__, types.ModuleType("none")))
        for used in sorted({names for node in nodes for names in _names_outside_functions(node)}):
            facts.append(f"{'.'.join(used)} {self._global(around, *used)}")
        for member, value in sorted(vars(kind).items()):
            if member in _NO_MEMBERS:
                continue
            inner = _inner_function(value)
            if inner is not None and _is_users_function(inner):
                if inner.__code__.co_filename == file or not nodes:
                    facts += [member, *self._uses(inner)]
                    facts += [] if nodes else [_source(inner) or _instructions(inner.__code__)]
                else:  # a decorator in another file made it
                    facts += [member, self.token(inner)]
            elif inner is not None:
                facts += [member, *within] if (within := self._within_foreign(inner)) else []
            elif not nodes and not member.startswith("__"):
                facts += [member, self.token(value)]
        self._note(name, "class", *facts)
        return name

    def _uses(self, function: types.FunctionType) -> list[str]:
        """What a function uses of its module, and the values that it has from around it."""
        facts = []
        for names in sorted(_globals_used(function.__code__)):
            facts.append(f"{'.'.join(names)} {self._global(function.__globals__, *names)}")
        for name in sorted(_imports_of(function.__code__)):
            facts.append(f"import {name} {self._imported(name, function.__globals__)}")
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                facts.append(f"{name} {self.token(cell.cell_contents) if _is_full(cell) else 'empty'}")
        facts.append(self.token(function.__defaults__))
        facts.append(self.token(function.__kwdefaults__))
        if "__wrapped__" in function.__dict__:
            facts.append(self.token(function.__dict__["__wrapped__"]))
        return facts

    def _global(self, around: Mapping[str, Any], name: str, *attributes: str) -> str:
        """Text for a name of a module, and for those of its attributes that are used if it is one itself."""
        if name not in around:
            return "built in" if hasattr(builtins, name) else "nothing"
        value = around[name]
        if isinstance(value, types.ModuleType) and attributes and _is_users(value):
            return self._global(vars(value), *attributes)
        tree = _tree(around)
        counts = isinstance(value, _RAW) and tree is not None and name in _rebound(tree)
        if not counts and not _can_change(value):
            return self.token(value)
        return self._made_by(around, name) or self.token(value)

    def _made_by(self, around: Mapping[str, Any], name: str) -> str | None:
        """The statements that give a name of a module its value; None where there are none to be read."""
        tree, module = _tree(around), str(around.get("__name__"))
        if tree is None:
            return None
        if (module, name) in self._made:
            return "itself"
        self._made.add((module, name))
        try:
            facts = []
            for statement in _statements_by_name(tree).get(name, []):
                if isinstance(statement, ast.ImportFrom):
                    source = sys.modules.get(_resolved(statement, around))
                    was = next(one.name for one in statement.names if (one.asname or one.name) == name)
                    facts.append(self._global(vars(source), was) if source is not None else was)
                    continue
                facts.append(ast.unparse(statement))
                for used in sorted(_names_outside_functions(statement) - {(name,)}):
                    facts.append(f"{'.'.join(used)} {self._global(around, *used)}")
            return _hash(*facts) if facts else None
        finally:
            self._made.discard((module, name))

    def _module(self, module: types.ModuleType) -> str:
        """A module as a whole: where what is used of it cannot be seen."""
        name = _module_name(module.__name__, module)
        tree = _tree(vars(module)) if _is_users(module) else None
        if tree is not None and name not in self.found:
            self._note(name, "module", ast.unparse(tree))
        return name

    def _imported(self, name: str, around: Mapping[str, Any]) -> str:
        """A module that a function imports when it runs."""
        for one in (name, f"{around.get('__package__') or ''}.{name}".lstrip(".")):
            module = sys.modules.get(one)
            if module is not None:
                return self._module(module)
            try:
                spec = importlib.util.find_spec(one)
            except (ImportError, ValueError):
                continue
            if spec is not None and spec.origin is not None and _is_users_file(spec.origin):
                tree = _tree_of(spec.origin)
                self._note(one, "module", "" if tree is None else ast.unparse(tree))
                return one
        return name

    def _note(self, name: str, *facts: str) -> None:
        self.found.setdefault(name, set()).add(_hash(*facts))


def _hash(*facts: str) -> str:
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


# -- whose it is ------------------------------------------------------------------------------------------

_OURS = ("search_spaces", "controllers", "workers", "nas")


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
def _is_users_file(file: str) -> bool:
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _foreign())


def _file_of(module: types.ModuleType | None) -> str | None:
    """The file of a module; one that makes its names when they are asked for is not asked."""
    file = None if module is None else vars(module).get("__file__")
    return file if isinstance(file, str) else None


def _is_users(module: types.ModuleType) -> bool:
    """Whether a module is one of the user's own files."""
    file = _file_of(module)
    return file is not None and _is_users_file(file)


def _is_users_function(function: types.FunctionType) -> bool:
    """Whether a function is of the user's own files, or of a session at the prompt."""
    file, name = function.__code__.co_filename, function.__module__ or "__main__"
    if not file.startswith("<"):
        return _is_users_file(file)
    # the methods that dataclasses and attrs write follow from the source of their class
    written = "__create_fn__" in function.__code__.co_qualname or file.startswith("<attrs")
    return not written and _is_users_text(name)


def _is_users_text(name: str) -> bool:
    """Whether code without a file is the user's: what libraries make of text has a module of theirs."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return False
    file = None if name == "__main__" else _file_of(sys.modules.get(name))
    return file is None or _is_users_file(file)


def _home(kind: type) -> str | None:
    """The file of a class of the user's own, ``<text>`` where it has none; None for a class of others."""
    file = _file_of(sys.modules.get(kind.__module__))
    if file is not None and kind.__module__ != "__main__":
        return str(file) if _is_users_file(file) else None
    if file is not None and _is_users_file(file) and _class_nodes(kind, file):
        return str(file)
    # the cells of a notebook are files of their own: those of its methods
    functions = [one for one in map(_inner_function, vars(kind).values()) if one is not None]
    for one in functions:
        if not one.__code__.co_filename.startswith("<") and _is_users_function(one):
            return one.__code__.co_filename
    typed = kind.__module__ == "__main__" or any(one.__code__.co_filename[:1] == "<" for one in functions)
    return "<text>" if typed and _is_users_text(kind.__module__) else None


def _module_name(name: str | None, thing: Any) -> str:
    """The name of a module: a script's is that under which it would be imported."""
    if name != "__main__":
        return str(name)
    if isinstance(thing, type):
        return reference(thing).removesuffix(f".{thing.__qualname__}")
    file = _file_of(sys.modules.get("__main__"))
    return Path(file).stem if file else "__main__"


# -- source -----------------------------------------------------------------------------------------------


_trees: dict[str, tuple[list[str], ast.Module | None]] = {}
"""The syntax trees of files, each with the lines that it was made of."""


def _tree_of(file: str, around: Mapping[str, Any] | None = None) -> ast.Module | None:
    """The syntax tree of a file as it is now; None where it has none.

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


def _tree(around: Mapping[str, Any]) -> ast.Module | None:
    """The syntax tree of a module, told by its names."""
    file = around.get("__file__")
    return _tree_of(str(file), around) if file else None


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


def _source(function: types.FunctionType) -> str | None:
    """The source of a function, without comments; None where it cannot be found."""
    code = function.__code__
    tree = _tree_of(code.co_filename, function.__globals__)
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
def _statements_by_name(tree: ast.Module) -> Mapping[str, list[ast.stmt]]:
    """The statements of a module by the names that they give a value; whole loops and branches that do."""
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


def _class_nodes(kind: type, file: str) -> list[ast.ClassDef]:
    """Where a class is defined; more than one place where they have one name."""
    tree = _tree_of(file)
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


def _names_outside_functions(node: ast.AST) -> set[tuple[str, ...]]:
    """The names that are read where a definition or a statement runs, not when its functions are called.

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
def _rebound(tree: ast.Module) -> frozenset[str]:
    """The names of a module that its functions give other values."""
    return frozenset(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)


def _resolved(statement: ast.ImportFrom, around: Mapping[str, Any]) -> str:
    """The name of the module that a statement imports from."""
    try:
        return importlib.util.resolve_name(
            "." * statement.level + (statement.module or ""), around.get("__package__")
        )
    except ImportError:
        return statement.module or ""


# -- instructions -----------------------------------------------------------------------------------------


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yields code and all that is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _globals_used(code: types.CodeType) -> set[tuple[str, ...]]:
    """The names of its module that code reads, each with the attributes that it reads of it at once."""
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


def _imports_of(code: types.CodeType) -> set[str]:
    """The names of the modules that code imports when it runs."""
    return {
        str(instruction.argval)
        for one in _codes(code)
        for instruction in dis.get_instructions(one)
        if instruction.opname == "IMPORT_NAME"
    }


def _instructions(code: types.CodeType) -> str:
    """What code without source does; another version of Python has other instructions."""
    parts: list[Any] = [".".join(map(str, sys.version_info[:2]))]
    for one in _codes(code):
        constants = [repr(value) for value in one.co_consts if not isinstance(value, types.CodeType)]
        parts += [one.co_code.hex(), constants, one.co_names, one.co_varnames]
    return json.dumps(parts)


# -- small things -----------------------------------------------------------------------------------------


def _tensor(value: Any) -> str:
    """Text for a tensor of any layout: all its values, or else what it shows of itself."""
    with suppress(RuntimeError, ValueError, TypeError, NotImplementedError):
        return tensor_hash(value)
    with suppress(RuntimeError, ValueError, TypeError, NotImplementedError):
        return f"{value.layout} {tensor_hash(value.to_dense())}"
    text = repr(value)
    return str(type(value)) if " at 0x" in text else text


def _can_change(value: Any) -> bool:
    """Whether a value of a module can become another one without being given its name anew."""
    if isinstance(value, tuple | frozenset):
        return any(map(_can_change, value))
    numbers = type(value).__module__.partition(".")[0] in ("torch", "numpy")  # constants, as a rule
    code = isinstance(value, _CODE) or hasattr(value, "__wrapped__")
    return not (isinstance(value, (*_RAW, enum.Enum)) or code or numbers)


def _is_full(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _inner_function(value: Any) -> types.FunctionType | None:
    """The function in a member of a class, if it is one."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    return value if isinstance(value, types.FunctionType) else None


def _slots(kind: type) -> tuple[str, ...]:
    found = vars(kind).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)
