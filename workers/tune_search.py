"""The public address of `as_searcher` and `trainable` in older scripts; see `workers.tune`."""

from workers.tune import as_searcher, trainable

__all__ = ["as_searcher", "trainable"]
