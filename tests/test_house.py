"""The source of the four packages keeps the rules that can be read off it; none of it is imported."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "controllers", "workers", "nas")

HEAVY = frozenset(
    {
        "alembic", "fsspec", "numpy", "optuna", "pandas", "pydantic", "ray", "rich", "safetensors", "scipy",
        "seqeval", "sklearn", "sqlalchemy", "torch", "torchjd", "torchmetrics",
    }
)  # fmt: skip
"""Libraries that take long to import: a command that does not need one must not wait for it."""

EXTRAS = frozenset(
    {
        "aiohttp", "matplotlib", "mlflow", "onnxruntime", "onnxscript", "pathspec", "pyarrow", "pynvml",
        "pytest", "requests", "tensorboardX", "transformers", "wandb", "PIL",
    }
)  # fmt: skip
"""Libraries that only an extra installs: where one is missing, a function says what to install."""

LATE = {
    ("workers.remote.cluster", "ray._private"): "it may move: then only local clusters fail",
    ("workers.tune.config", "ray.air.execution._internal"): "it may move: then only Ray Tune fails",
}
"""Other imports within functions, as (module, what it imports), each with the reason for it."""

SAME_NAME = {
    "Pool": "a stored name of a block, and the public name of an executor",
}
"""Names that two public classes have, each with the reason why neither can have another one."""


@dataclass
class Module:
    """The source of a module.

    Attributes:
        name: the name of the module.
        path: the path of its file, from the root.
        tree: its syntax tree.
        top: the modules that are imported when it is.
        late: the modules that its functions import, each with the line.
        lazy: the module of each name that a module-level ``__getattr__`` imports when it is asked for.
    """

    name: str
    path: Path
    tree: ast.Module
    top: set[str] = field(default_factory=set)
    late: list[tuple[int, str]] = field(default_factory=list)
    lazy: dict[str, str] = field(default_factory=dict)


@cache
def modules() -> dict[str, Module]:
    """Every module of the four packages by its name."""
    found = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT)
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            found[name] = Module(name, path, ast.parse(file.read_text(encoding="utf-8")))
    for one in found.values():
        _read_lazy_names(one)
    for one in found.values():
        _read_imports(one, one.tree, found, within=False)
    return found


def _read_lazy_names(module: Module) -> None:
    """Takes the names of a lazy package (PEP 562) from the imports that it makes for the type checker."""
    if not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.tree.body):
        return
    for node in module.tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    module.lazy |= {alias.name: statement.module for alias in statement.names}


def _read_imports(module: Module, node: ast.AST, known: dict[str, Module], within: bool) -> None:
    """Notes the imports in a piece of a module, those for the type checker left out."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for target in _imported(node, known):
            if within:
                module.late.append((node.lineno, target))
            else:
                module.top.add(target)
    within = within or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    for child in node.orelse if isinstance(node, ast.If) and typing_only else ast.iter_child_nodes(node):
        _read_imports(module, child, known, within)


def _imported(node: ast.Import | ast.ImportFrom, known: dict[str, Module]) -> set[str]:
    """Returns the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if node.module is None or node.module == "__future__":
        return set()
    targets = set()
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        lazy = known[node.module].lazy if node.module in known else {}
        targets.add(whole if whole in known else lazy.get(alias.name, node.module))
    return targets


@cache
def heavy(name: str) -> frozenset[str]:
    """Returns the heavy libraries that are imported when a module of ours is."""
    seen: set[str] = set()
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        parts = current.split(".")
        if parts[0] not in PACKAGES:
            found |= {parts[0]} & (HEAVY | EXTRAS)
            continue
        for own in (".".join(parts[: i + 1]) for i in range(len(parts))):
            if own not in seen and own in modules():
                seen.add(own)
                waiting += modules()[own].top
    return frozenset(found)


def _costs_nothing(module: str, target: str) -> bool:
    """Whether a module could as well import another one at its top."""
    top = target.partition(".")[0]
    if top in PACKAGES:
        return not heavy(target) - heavy(module)
    return top not in EXTRAS and (top not in HEAVY or top in heavy(module))


def test_an_import_within_a_function_keeps_something_heavy_out() -> None:
    free = [
        f"{module.path}:{line} {target}"
        for module in modules().values()
        for line, target in module.late
        if (module.name, target) not in LATE and _costs_nothing(module.name, target)
    ]
    assert not free, "imports that belong at the top of their files:\n" + "\n".join(free)


def test_every_exception_to_the_rules_is_still_needed() -> None:
    late = {(module.name, target) for module in modules().values() for _, target in module.late}
    assert not {which for which in LATE if which not in late or not _costs_nothing(*which)}
    assert not {name for name in SAME_NAME if len(_classes()[name]) < 2}


def test_no_two_public_classes_have_one_name() -> None:
    twice = {name: at for name, at in _classes().items() if len(at) > 1 and name not in SAME_NAME}
    assert not twice, "\n".join(f"{name}: {', '.join(at)}" for name, at in sorted(twice.items()))


def _classes() -> dict[str, list[str]]:
    """The places of public classes by their names."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(f"{module.path}:{node.lineno}")
    return found


def test_every_module_says_what_it_is() -> None:
    silent = [str(module.path) for module in modules().values() if not ast.get_docstring(module.tree)]
    assert not silent, "no docstring: " + ", ".join(silent)


def test_what_is_said_of_an_argument_can_be_read_without_its_name() -> None:
    fragments = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                lines = (ast.get_docstring(node) or "").splitlines()
                fragments += [
                    f"{module.path}:{node.lineno} {node.name}: {line.strip()}"
                    for line in lines
                    if re.match(r"    \w[\w, ]*: (of|in|for|to|by|as|with|on|from) ", line)
                ]
    assert not fragments, f"{len(fragments)} begin with a preposition:\n" + "\n".join(fragments)
