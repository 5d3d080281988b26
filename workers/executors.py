"""The catalog of executors: where jobs can run, by the name that the command line and `nas.Search` use.

Importing this module is cheap: Ray is loaded with the first executor that needs it.
"""

from __future__ import annotations

from search_spaces.plugins import Catalog
from workers.executor import Executor

catalog: Catalog[type[Executor]] = Catalog(
    "executor",
    {
        "pool": "workers.pool.pool:Pool",
        "inline": "workers.inline:Inline",
        "tune": "workers.tune.tune:Tune",
    },
    group="nasforge.executors",
    fits=lambda thing: isinstance(thing, type) and issubclass(thing, Executor),
    wanted="a subclass of workers.Executor",
)
"""The class of every executor by its name, those of plug-ins included."""
