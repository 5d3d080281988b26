"""The pool, the default executor: Ray actors that live across trials.

From the top down: ``pool`` (the executor), ``traffic`` (what passes between it and its workers),
``seclusion`` (runs that are to have a card to themselves), ``packed`` (the workers of packed cards),
``members`` (those of the cluster's nodes), ``member`` (one of them, and its card), ``packing`` (how many
share a card), ``gang`` (a worker of several processes), ``worker`` (a process that trains), ``cards`` (what
it tells of its card), ``ray_metrics`` (what Ray's dashboard is told).
"""

from workers.pool.pool import Pool

__all__ = ["Pool"]
