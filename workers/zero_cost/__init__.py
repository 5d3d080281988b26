"""Zero-cost scores: what a network that nobody has trained says of how well it will do.

Each costs no more than a few batches (Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021). More
is better, as far as a score says anything: on many problems the number of parameters ranks as well. None ever
stands in for a training.

- ``catalog``: the scores by name
- ``scoring``: `score`, some of them of an architecture on a problem
- ``probe``: `Probe`, what a score is computed from: networks as they are built, and batches
- ``counts``, ``saliency``, ``synflow``, ``naswot``, ``jacov``, ``swap``, ``zico``, ``az_nas``: a file for
  each family, with its paper
- ``ranks``: several parts as one score, by their ranks in a sample
- ``patterns``: which units are on; ``watching``: which layer computes what

A score is a function that is given a `Probe` and returns a float, or several parts by name; then its
attribute ``parts`` has their names (`workers.zero_cost.ranks.of_parts`). A package offers its own by an entry
point of the group ``nasforge.zero_cost``. Importing this package does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from search_spaces.plugins import Catalog

if TYPE_CHECKING:
    from workers.zero_cost.probe import Probe
    from workers.zero_cost.scoring import score

__all__ = ["BATCH_SIZE", "DEFAULT_SCORES", "LEAST", "Probe", "catalog", "metrics", "score"]

catalog: Catalog[Callable[[Probe], float | Mapping[str, float]]] = Catalog(
    "score",
    {
        "num_params": "workers.zero_cost.counts:num_params",
        "num_macs": "workers.zero_cost.counts:num_macs",
        "num_layers": "workers.zero_cost.counts:num_layers",
        "grad_norm": "workers.zero_cost.saliency:grad_norm",
        "snip": "workers.zero_cost.saliency:snip",
        "synflow": "workers.zero_cost.synflow:synflow",
        "jacov": "workers.zero_cost.jacov:jacov",
        "naswot": "workers.zero_cost.naswot:naswot",
        "swap": "workers.zero_cost.swap:swap",
        "zico": "workers.zero_cost.zico:zico",
        "az_nas": "workers.zero_cost.az_nas:az_nas",
    },
    group="nasforge.zero_cost",
    wanted="a function that takes a workers.zero_cost.Probe and returns a number, or numbers by name",
)
"""The zero-cost scores by name; the first paragraph of each one's docstring describes it."""

DEFAULT_SCORES = ("num_params", "num_macs", "num_layers", "synflow", "naswot", "az_nas")
"""What is asked for where nobody says what: counts, and what takes a batch or less."""

LEAST = 2
"""Examples in a batch: batch normalisation refuses a batch of one, and one cannot be told from another."""

BATCH_SIZE = 64
"""Examples in a batch where nobody says how many, as in most papers."""


def metrics() -> list[str]:
    """Returns the names under which scores are among a trial's metrics; of several parts ``name.part``."""
    parts = {name: getattr(catalog[name], "parts", ()) for name in catalog}
    return [full for name, own in parts.items() for full in ([f"{name}.{part}" for part in own] or [name])]


_HOMES = {"Probe": "workers.zero_cost.probe", "score": "workers.zero_cost.scoring"}


def __getattr__(name: str) -> Any:
    # PEP 562: these need torch, so they are imported when first asked for.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
