"""The catalog of executors: where jobs can run, by the name that the command line and `nas.Search` use.

Importing this module is cheap: Ray is loaded with the first executor that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from search_spaces.errors import UnknownNameError

if TYPE_CHECKING:
    from workers.executor import Executor

catalog: dict[str, str] = {
    "pool": "workers.pool.pool:Pool",
    "inline": "workers.inline:Inline",
    "tune": "workers.tune.tune:Tune",
}
"""The address of each executor's class, ``module:attribute``, by the executor's name."""


def executor_class(name: str) -> type[Executor]:
    """Imports the class of an executor.

    Args:
        name: a name of the `catalog`.

    Raises:
        UnknownNameError: there is no executor of that name.
    """
    if name not in catalog:
        raise UnknownNameError("executor", name, catalog)
    module, _, attribute = catalog[name].partition(":")
    found: type[Executor] = getattr(import_module(module), attribute)
    return found
