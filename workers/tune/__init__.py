"""Searches under Ray Tune, and our controllers and spaces in scripts of Tune."""

from workers.tune.search import as_searcher, trainable
from workers.tune.tune import Tune

__all__ = ["Tune", "as_searcher", "trainable"]
