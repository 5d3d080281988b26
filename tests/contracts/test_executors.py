"""Every executor of the catalog keeps the contract of executors."""

import inspect
from collections.abc import Callable

import pytest

from workers.executor import Executor
from workers.executors import catalog
from workers.testing import ExecutorContract

EXECUTORS = [pytest.param(kind, marks=[pytest.mark.cluster] * (kind != "inline")) for kind in catalog]


class TestExecutors(ExecutorContract):
    @pytest.fixture(scope="class", params=EXECUTORS)
    @classmethod
    def make_executor(cls, request: pytest.FixtureRequest) -> Callable[[], Executor]:
        kind = catalog.find(request.param)
        cls.tells_pace = request.param != "tune"
        if request.param != "inline":
            request.getfixturevalue("ray_cluster")
        takes = inspect.signature(kind).parameters
        options = {"workers": 2, "grace": cls.grace}
        return lambda: kind(**{name: value for name, value in options.items() if name in takes})
