"""The closed table of module classes that JSON may name.

A text never makes us import what it names: a name is looked up among the classes of `torch.nn`, our own
blocks, the classes that this process has itself used in a `layer` (or was handed by the user), and those that
installed packages offer (see `search_spaces.plugins`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

used: dict[str, Callable[..., Any]] = {}
"""The classes that this process has used, by the names that JSON knows them by; see `register`."""

TORCH = "torch.nn."
OURS = "search_spaces.blocks."
_NAME = "_name_in_script"


def reference(factory: Callable[..., Any]) -> str:
    """Returns the name of a module class in JSON, such as ``torch.nn.Conv2d``."""
    name, module = factory.__qualname__, factory.__module__
    if module.startswith("torch.nn.modules."):
        return TORCH + name
    if module.startswith(OURS):
        return OURS + name
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
    """Lets JSON name these classes in this process. `layer` does it for every class that it meets."""
    for factory in factories:
        used[reference(factory)] = factory
