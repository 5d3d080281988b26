"""Processes for tests that need several at once, or one to kill: each begins with much imported already."""

import multiprocessing
from multiprocessing.context import ForkServerContext

PRELOADED = ["pytest", "hypothesis", "nas.search", "nas.store.store", "workers.problems", "torch"]


def context() -> ForkServerContext:
    """Returns the context that forks each process from one that has imported much, and has run nothing."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made
