"""What all tests share: the marks of the suite's parts, how processes share the tests, one local Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook
from shapes import CHECKED

# Before any of them is imported: a module is checked from its import on.
install_import_hook(CHECKED, "shapes.check")

# Two cores are all that the tests may count on: torch's threads and Ray's workers share them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers run at niceness 15 by default: beside other busy processes they would not start in time.
os.environ.setdefault("RAY_worker_niceness", "0")

LONGER = ("slow", "cluster", "end_to_end", "soak")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the quick part, and says which tests stay together where several processes share them (``-n``).

    All that use the one Ray go to one process. The tests of another file stay together, too: what they share,
    maybe a cluster of their own, is made once. Soak tests run for long: only those on a cluster share one.
    """
    for item in items:
        on_ray = "ray_cluster" in getattr(item, "fixturenames", ())
        if on_ray:
            item.add_marker("cluster")
        marks = {mark.name for mark in item.iter_markers()}
        if marks.isdisjoint(LONGER):
            item.add_marker("quick")
        if "soak" not in marks or "cluster" in marks:
            item.add_marker(pytest.mark.xdist_group("ray" if on_ray else str(item.path)))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine; what uses Ray in this process finds it running."""
    import ray

    from workers.remote import cluster

    cluster.start_local(cpus=2)
    yield
    ray.shutdown()
