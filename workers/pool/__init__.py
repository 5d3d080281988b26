"""The pool: a set of Ray actors that train."""

from workers.pool.pool import Pool

__all__ = ["Pool"]
