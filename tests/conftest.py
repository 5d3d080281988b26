"""What all tests share: one local Ray for the whole run."""

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests (``-n``): all that use the one Ray go to one of them; the other
    files stay whole, for what their tests share, maybe a cluster of their own, is made once."""
    for item in items:
        ray = "ray_cluster" in getattr(item, "fixturenames", ())
        if item.path.name != "test_benchmarks.py":
            item.add_marker(pytest.mark.xdist_group("ray" if ray else str(item.path)))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine; what uses Ray in this process finds it running."""
    import ray

    from workers.remote import cluster

    cluster.start_local(cpus=2)
    yield
    ray.shutdown()
