"""The closed table of module classes that JSON may name.

A text never makes us import anything: a name is looked up among the classes of `torch.nn`, our own blocks,
and the classes that this process has itself used in a `layer` (or was handed by the user).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from search_spaces.composite import Composite
from search_spaces.errors import FormatError

_used: dict[str, Callable[..., Any]] = {}

_TORCH = "torch.nn."
_OURS = "search_spaces.blocks."
_NAME = "_name_in_script"


def is_module_class(thing: object) -> bool:
    """Whether ``thing`` is a class of modules (without importing torch to find out) or a `Composite`."""
    return isinstance(thing, type) and any(
        base is Composite or (base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module")
        for base in thing.__mro__
    )


def reference(factory: Callable[..., Any]) -> str:
    """The name of a module class in JSON, such as ``torch.nn.Conv2d``."""
    name, module = factory.__qualname__, factory.__module__
    if module.startswith("torch.nn.modules."):
        return _TORCH + name
    if module.startswith(_OURS):
        return _OURS + name
    if module == "__main__":
        return _name_in_script(factory)
    return f"{module}.{name}"


def _name_in_script(factory: Callable[..., Any]) -> str:
    """The name of a class of the script that is run: as where the script is imported.

    The class keeps it, for in a worker, where the class has travelled to, another script is run.
    """
    known = factory.__dict__.get(_NAME)
    if known is None:
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        known = f"{Path(file).stem if file else '__main__'}.{factory.__qualname__}"
        setattr(factory, _NAME, known)
    return str(known)


def register(*factories: Callable[..., Any]) -> None:
    """Let JSON name these classes in this process. `layer` does it for every class that it meets."""
    for factory in factories:
        _used[reference(factory)] = factory


def resolve(name: str) -> Callable[..., Any]:
    """The module class that ``name`` stands for.

    Raises:
        FormatError: the table has no such class.
    """
    if name in _used:
        return _used[name]
    found: Any = None
    if isinstance(name, str) and name.startswith(_TORCH):
        import torch.nn

        found = getattr(torch.nn, name.removeprefix(_TORCH), None)
    elif isinstance(name, str) and name.startswith(_OURS):
        import search_spaces.blocks

        found = getattr(search_spaces.blocks, name.removeprefix(_OURS), None)
    if not is_module_class(found):
        raise FormatError(
            f"unknown layer {name!r}: import the code that defines it and pass the class in modules=[...]"
        )
    return found  # type: ignore[no-any-return]


def register_all(modules: Iterable[Callable[..., Any]] | None) -> None:
    """`register` for an optional ``modules=`` argument."""
    register(*(modules or ()))
