"""Callbacks that write a search to where experiments are tracked: TensorBoard, MLflow, Weights & Biases.

Each needs an extra of its name (``pip install 'nasforge[mlflow]'``). None sends anything over a network,
unless MLflow is given the address of a server.
"""

from nas.integrations.mlflow import MLflow
from nas.integrations.names import tracker_of
from nas.integrations.tensorboard import TensorBoard
from nas.integrations.wandb import WandB

__all__ = ["MLflow", "TensorBoard", "WandB", "tracker_of"]
