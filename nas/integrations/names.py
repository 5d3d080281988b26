"""Trackers by name, as ``--track`` takes them."""

from __future__ import annotations

from collections.abc import Callable

from nas.integrations.mlflow import MLflow
from nas.integrations.tensorboard import TensorBoard
from nas.integrations.wandb import WandB
from nas.search.callbacks import Callback
from search_spaces.arguments import checked
from search_spaces.errors import SearchError
from search_spaces.plugins import Catalog

catalog: Catalog[Callable[..., Callback]] = Catalog(
    "tracker",
    {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB},
    group="nasforge.trackers",
    wanted="a callable that returns a nas.Callback",
)
"""Every tracker by the name that ``--track`` knows it by, those of plug-ins included. Its first argument says
where it writes."""


@checked(SearchError)
def tracker_of(text: str) -> Callback:
    """Returns the tracker that ``name`` or ``name:where`` asks for, such as ``tensorboard:runs``.

    Raises:
        UnknownNameError: there is no tracker of that name.
        PluginError: a plug-in that offers it cannot be used.
        SearchError: what it needs is not installed.
    """
    name, _, where = text.partition(":")
    tracker = catalog.find(name)
    return tracker(where) if where else tracker()
