"""The training of one network: batches, losses, metrics, optimisation."""

from workers.training.training import train

__all__ = ["train"]
