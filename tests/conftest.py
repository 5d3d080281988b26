"""What all tests share: one local Ray for the whole run."""

import os
from collections.abc import Iterator

import pytest

# Two cores are all that the tests may count on: torch's threads and Ray's workers share them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers run at niceness 15 by default: beside other busy processes they would not start in time.
os.environ.setdefault("RAY_worker_niceness", "0")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine; what uses Ray in this process finds it running."""
    import faulty_networks
    import ray

    from workers import cluster

    # Ray's workers cannot import what lies among the tests.
    ray.cloudpickle.register_pickle_by_value(faulty_networks)
    cluster.start_local(cpus=2)
    yield
    ray.shutdown()
