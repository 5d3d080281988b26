"""The pool, the default executor: Ray actors that live across trials.

From the top down: ``pool`` (the executor), ``members`` (its workers on the cluster's nodes), ``gang`` (a
worker of several processes), ``worker`` (a process that trains), ``ray_metrics`` (what Ray's dashboard is
told).
"""

from workers.pool.pool import Pool

__all__ = ["Pool"]
