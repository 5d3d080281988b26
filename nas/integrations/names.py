"""Trackers by what a person writes on the command line."""

from __future__ import annotations

from collections.abc import Callable

from nas.integrations.mlflow import MLflow
from nas.integrations.tensorboard import TensorBoard
from nas.integrations.wandb import WandB
from nas.search.callbacks import Callback
from search_spaces.errors import UnknownNameError

TRACKERS: dict[str, Callable[..., Callback]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}


def tracker_of(text: str) -> Callback:
    """The tracker that ``name`` or ``name:where`` says: ``tensorboard:runs``, ``mlflow:sqlite:///mlflow.db``.

    Raises:
        UnknownNameError: there is none of that name.
        SearchError: what it needs is not installed.
    """
    name, _, where = text.partition(":")
    if name not in TRACKERS:
        raise UnknownNameError("tracker", name, TRACKERS)
    return TRACKERS[name](where) if where else TRACKERS[name]()
