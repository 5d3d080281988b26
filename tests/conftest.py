"""What all tests share: the marks of the suite's parts, how processes share the tests, one local Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from jaxtyping import install_import_hook
from shapes import CHECKED

# Before any of them is imported: a module is checked from its import on.
install_import_hook(CHECKED, "shapes.check")

# Two cores are all that the tests may count on: torch's threads and Ray's workers share them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers run at niceness 15 by default: beside other busy processes they would not start in time.
os.environ.setdefault("RAY_worker_niceness", "0")

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

LONGER = ("slow", "cluster", "end_to_end", "soak")

ON_RAY = (
    "tests/contracts/test_executors.py",
    "tests/nas/search/test_shared_weights_on_ray.py",
    "tests/nas/search/test_vain_on_ray.py",
    "tests/workers/pool/",
    "tests/workers/trial/test_pausing.py",
    "tests/workers/tune/",
)
"""The files and folders whose tests use the one Ray."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what starts Ray, and the quick part: the tests without any mark that keeps them out of it."""
    for item in items:
        if "ray_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
            assert item.nodeid.startswith(ON_RAY), f"{item.path} uses Ray: ON_RAY does not name it"
        if not any(item.get_closest_marker(name) for name in LONGER):
            item.add_marker("quick")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Says which tests stay together where several processes share them (``-n``).

    All that use the one Ray go to one process. The tests of another file stay together, too: what they share,
    maybe a cluster of their own, is made once. Benchmarks share nothing. (The groups that pytest-xdist has
    marks for are not kept by its version 3.8 with pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneRay(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if file.endswith("test_benchmarks.py"):
                return nodeid
            return "ray" if file.startswith(ON_RAY) else file

    return OneRay(config, log)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine; what uses Ray in this process finds it running."""
    import ray

    from workers.remote import cluster

    cluster.start_local(cpus=2)
    yield
    ray.shutdown()
