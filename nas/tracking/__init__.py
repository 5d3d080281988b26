"""Callbacks that write a search to where experiments are tracked: TensorBoard, MLflow, Weights & Biases.

Each needs an extra of its name (``pip install 'nasforge[mlflow]'``). None sends anything over a network,
unless MLflow is given the address of a server.
"""

from nas.tracking.names import tracker_of
from nas.tracking.to_mlflow import MLflow
from nas.tracking.to_tensorboard import TensorBoard
from nas.tracking.to_wandb import WandB

__all__ = ["MLflow", "TensorBoard", "WandB", "tracker_of"]
