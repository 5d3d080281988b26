"""What tells the code of a search's own modules and functions from what it was: its source and its values."""

from __future__ import annotations

import ast
import builtins
import enum
import functools
import hashlib
import importlib.util
import json
import sys
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.identity import EXECUTOR, PLANNER, PROBLEM
from nas.search.code_instructions import globals_used, imports_of, instructions_of
from nas.search.code_owner import (
    OURS,
    file_of,
    home_of,
    inner_function,
    is_users_file,
    is_users_function,
    is_users_module,
)
from nas.search.code_syntax import (
    changed_by_functions,
    class_nodes,
    imported_from,
    names_outside_functions,
    source_of,
    statements_by_name,
    tree_of_file,
    tree_of_module,
)
from nas.search.code_values import RAW, can_change, is_full, slots_of, text_of_array
from search_spaces.errors import PluginError
from search_spaces.registry import reference
from workers import problems
from workers.tabular import Table

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.space import Space
    from workers.executor import Executor
    from workers.problems import Problem

_NO_MEMBERS = {"__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl", "_name_in_script"}
_OF_A_MODULE = ("_parameters", "_buffers", "_modules")
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)


def code_of(
    space: Space,
    problem: Problem | Table,
    executor: Executor | None = None,
    planner: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, str]:
    """Returns the hashes of the code of the user's own that a search runs, by its names.

    Code is what lies in files of the user's own (not of the standard library, nor installed packages, nor
    ours): the classes and functions that the layers of the space name; the function that answers for a table
    or loads a problem of a plug-in; an executor that does not leave the training to us, with the functions
    that it was given; the controller and the fidelity; and whatever these use in turn: functions, base
    classes, constants of modules, default values of arguments, and the values that functions have from around
    them (closures). A module-level value that can be changed counts by the statements that make it, so that
    counters and caches make no other code; but where a table looks its answers up by value, too, unless a
    function of the module changes it. Comments, layout and docstrings count for nothing. Code without source,
    as of an interactive session, counts by its instructions.

    Args:
        space: the space of the search.
        problem: the problem of the search, or a table.
        executor: where its networks are trained.
        planner: what decides which of them are tried and for how long, by the names that it is to have.

    Returns:
        16 hex digits for each name, such as ``my_search.Block``. Those of code that only the executor or the
        planner uses begin with `nas.identity.EXECUTOR` and `PLANNER`. The hash of one says which others it
        uses by their names: only the hash of what has changed is another one.
    """
    networks, answers, running, planning = _Reader(), _Reader(by_value=True), _Reader(), _Reader()
    networks.token(space.value)
    if isinstance(problem, Table):
        answers.note(PROBLEM, answers.token(problem.answer))
    else:
        with suppress(PluginError):  # it was made some other way
            networks.token(problems.catalog.get(problem.name))
    if executor is not None and not executor.trains:
        running.read("", [type(executor)])
        running.token({name: one for name, one in vars(executor).items() if isinstance(one, _FUNCTIONS)})
    for name, part in planner.items():
        planning.read(name, [part])
    found: dict[str, set[str]] = {}
    for before, reader in (("", networks), ("", answers), (EXECUTOR, running), (PLANNER, planning)):
        new = {name: hashes for name, hashes in reader.found.items() if not hashes <= found.get(name, set())}
        found |= {f"{before}{name}": found.get(f"{before}{name}", set()) | new[name] for name in new}
    return {name: _hash(*sorted(hashes)) for name, hashes in sorted(found.items())}


def code_of_networks(networks: Space | Architecture) -> dict[str, str]:
    """Returns the part of `code_of` that is of the networks of a space, or of one network."""
    reader = _Reader()
    reader.token(networks.value)
    return {name: _hash(*sorted(hashes)) for name, hashes in sorted(reader.found.items())}


class _Reader:
    """Reads code, and what it uses.

    Args:
        by_value: whether what a module holds counts by value, too, where none of its functions changes it.

    Attributes:
        found: the hashes of each name; a name may stand for several, such as one for each value around it.
    """

    def __init__(self, by_value: bool = False) -> None:
        self.found: dict[str, set[str]] = {}
        self._by_value = by_value
        self._read: dict[int, tuple[Any, str]] = {}  # by id; what is read is kept, so that no id comes again
        self._homes: dict[int, tuple[type, str | None]] = {}  # of classes, likewise
        self._within: set[int] = set()
        self._made: set[tuple[str, str]] = set()  # the values of modules that are being read

    def read(self, name: str, values: Sequence[Any]) -> None:
        """Reads values, and notes them as a whole by a name where there is code of the user's in them."""
        before = {name: len(hashes) for name, hashes in self.found.items()}
        tokens = [self.token(value) for value in values]
        if before != {name: len(hashes) for name, hashes in self.found.items()}:
            self.note(name, *tokens)

    def token(self, value: Any) -> str:
        """Returns text that stands for a value; what it is made of in the user's files is noted by name."""
        if isinstance(value, enum.Enum):
            return f"{self.token(type(value))}.{value.name}"
        if isinstance(value, RAW):
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
        array = text_of_array(value, self.token)
        if array is not None:
            return array
        torch = sys.modules.get("torch")
        kind = type(value)
        module = torch is not None and isinstance(value, torch.nn.Module)
        if module or self._home(kind) is not None or kind.__module__.partition(".")[0] in OURS:
            return f"{self.token(kind)} {self._members(value)}"
        text = repr(value)
        return f"{kind.__module__}.{kind.__qualname__} {'' if ' at 0x' in text else text}"

    def _members(self, value: Any) -> list[tuple[str, str]]:
        slots = [name for kind in type(value).__mro__ for name in slots_of(kind) if hasattr(value, name)]
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
            name, owner = f"{value.__module__}.{value.__qualname__}", value.__self__
            return (
                name
                if owner is None or isinstance(owner, types.ModuleType)
                else f"{name} {self.token(owner)}"
            )
        wrapped = getattr(value, "__wrapped__", None)  # what functools.cache makes, and its like
        return None if wrapped is None else f"{type(value).__qualname__} {self.token(wrapped)}"

    # -- code ----------------------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> str:
        known = self._read.get(id(function))
        if known is not None:
            return known[1]
        name = f"{_module_name(function.__module__, function)}.{function.__qualname__}"
        if not is_users_function(function):
            within = self._within_foreign(function)
            return f"{function.__code__.co_qualname} {within}" if within else name
        self._read[id(function)] = (function, name)
        self.note(
            name, "function", source_of(function) or instructions_of(function.__code__), *self._uses(function)
        )
        return name

    def _within_foreign(self, function: types.FunctionType) -> list[str]:
        """What a function of others holds of the user's: a decorator of a library is around one."""
        cells = [cell.cell_contents for cell in function.__closure__ or () if is_full(cell)]
        functions = [one for one in cells if isinstance(one, types.FunctionType)]
        return [self.token(one) for one in functions if is_users_function(one)]

    def _class(self, kind: type) -> str:
        known = self._read.get(id(kind))
        if known is not None:
            return known[1]
        name = f"{_module_name(kind.__module__, kind)}.{kind.__qualname__}"
        self._read[id(kind)] = (kind, name)
        file = self._home(kind)
        if file is None:
            return name
        nodes = class_nodes(kind, file)
        facts = [ast.unparse(node) for node in nodes] + [self.token(base) for base in kind.__bases__]
        around = vars(sys.modules.get(kind.__module__, types.ModuleType("none")))
        for used in sorted({names for node in nodes for names in names_outside_functions(node)}):
            facts.append(f"{'.'.join(used)} {self._global(around, *used)}")
        for member, value in sorted(vars(kind).items()):
            if member in _NO_MEMBERS:
                continue
            inner = inner_function(value)
            if inner is not None and is_users_function(inner):
                if inner.__code__.co_filename == file or not nodes:
                    facts += [member, *self._uses(inner)]
                    facts += [] if nodes else [source_of(inner) or instructions_of(inner.__code__)]
                else:  # a decorator in another file made it
                    facts += [member, self.token(inner)]
            elif inner is not None:
                facts += [member, *within] if (within := self._within_foreign(inner)) else []
            elif not nodes and not member.startswith("__"):
                facts += [member, self.token(value)]
        self.note(name, "class", *facts)
        return name

    def _home(self, kind: type) -> str | None:
        """The file of a class of the user's own."""
        if id(kind) not in self._homes:
            self._homes[id(kind)] = (kind, home_of(kind))
        return self._homes[id(kind)][1]

    def _uses(self, function: types.FunctionType) -> list[str]:
        """What a function uses of its module, and the values that it has from around it."""
        facts = []
        for names in sorted(globals_used(function.__code__)):
            facts.append(f"{'.'.join(names)} {self._global(function.__globals__, *names)}")
        for name in sorted(imports_of(function.__code__)):
            facts.append(f"import {name} {self._imported(name, function.__globals__)}")
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                facts.append(f"{name} {self.token(cell.cell_contents) if is_full(cell) else 'empty'}")
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
        if isinstance(value, types.ModuleType) and attributes and is_users_module(value):
            return self._global(vars(value), *attributes)
        tree = tree_of_module(around)
        counts = isinstance(value, RAW) and tree is not None and name in changed_by_functions(tree)
        if not counts and not can_change(value):
            return self.token(value)
        return self._made_by(around, name) or self.token(value)

    def _made_by(self, around: Mapping[str, Any], name: str) -> str | None:
        """The statements that give a name of a module its value; None where there are none to be read."""
        tree, module = tree_of_module(around), str(around.get("__name__"))
        if tree is None:
            return None
        if (module, name) in self._made:
            return "itself"
        self._made.add((module, name))
        try:
            facts = []
            for statement in statements_by_name(tree).get(name, []):
                if isinstance(statement, ast.ImportFrom):
                    source = sys.modules.get(imported_from(statement, around))
                    was = next(one.name for one in statement.names if (one.asname or one.name) == name)
                    facts.append(self._global(vars(source), was) if source is not None else was)
                    continue
                facts.append(ast.unparse(statement))
                for used in sorted(names_outside_functions(statement) - {(name,)}):
                    facts.append(f"{'.'.join(used)} {self._global(around, *used)}")
                if self._by_value and name not in changed_by_functions(tree):
                    facts.append(self.token(around[name]))
            return _hash(*facts) if facts else None
        finally:
            self._made.discard((module, name))

    def _module(self, module: types.ModuleType) -> str:
        """A module as a whole: where what is used of it cannot be seen."""
        name = _module_name(module.__name__, module)
        tree = tree_of_module(vars(module)) if is_users_module(module) else None
        if tree is not None and name not in self.found:
            self.note(name, "module", ast.unparse(tree))
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
            if spec is not None and spec.origin is not None and is_users_file(spec.origin):
                tree = tree_of_file(spec.origin)
                self.note(one, "module", "" if tree is None else ast.unparse(tree))
                return one
        return name

    def note(self, name: str, *facts: str) -> None:
        """Notes the facts about what has a name."""
        self.found.setdefault(name, set()).add(_hash(*facts))


def _hash(*facts: str) -> str:
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


# -- small things -----------------------------------------------------------------------------------------


def _module_name(name: str | None, thing: Any) -> str:
    """The name of a module: a script's is that under which it would be imported."""
    if name != "__main__":
        return str(name)
    if isinstance(thing, type):
        return reference(thing).removesuffix(f".{thing.__qualname__}")
    file = file_of(sys.modules.get("__main__"))
    return Path(file).stem if file else "__main__"
