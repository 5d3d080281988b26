"""Searches in the tools that others track and study experiments with.

- ``tensorboard.py``, ``mlflow.py``, ``wandb.py``: trackers, the callbacks that write a search there as it
  runs. Each needs an extra of its name (``pip install 'nasforge[mlflow]'``). None sends anything over a
  network, unless MLflow is given the address of a server.
- ``tracker.py``: what every tracker needs.
- ``names.py``: the catalog of trackers. A new tracker is a callback in a file of its own and a line there.
- ``optuna_study.py``: a search as a study of Optuna.
"""

from nas.integrations.mlflow import MLflow
from nas.integrations.names import catalog, tracker_of
from nas.integrations.tensorboard import TensorBoard
from nas.integrations.wandb import WandB

__all__ = ["MLflow", "TensorBoard", "WandB", "catalog", "tracker_of"]
