"""Contracts as test classes: what every executor and every problem must keep, yours too.

From the top down:

- `ExecutorContract` (``executors``): the laws of `workers.Executor`
- `ProblemContract` (``problems``): what every `workers.Problem` must keep
- ``jobs``: a problem and networks that take milliseconds, some of them faulty; needs no pytest

A package with an executor or a problem of its own subclasses a contract in its tests and says what to test::

    from workers.testing import ProblemContract

    class TestWine(ProblemContract):
        @pytest.fixture(scope="class")
        @classmethod
        def load(cls):
            return wine

The two contracts import pytest; nothing else in this distribution does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.testing.executors import ExecutorContract
    from workers.testing.problems import ProblemContract

_HOMES = {
    "ExecutorContract": "workers.testing.executors",
    "ProblemContract": "workers.testing.problems",
}

__all__ = ["ExecutorContract", "ProblemContract"]


def __getattr__(name: str) -> Any:
    # PEP 562: a worker that is sent a network of `workers.testing.jobs` needs no pytest.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    pytest.register_assert_rewrite(_HOMES[name])  # so that an assertion that fails shows its values
    return getattr(import_module(_HOMES[name]), name)
