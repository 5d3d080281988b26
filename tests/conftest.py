"""What all tests share: one local Ray for the whole run."""

import os
from collections.abc import Iterator

import pytest

# Two cores are all that the tests may count on: torch's threads and Ray's workers share them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine; what uses Ray in this process finds it running."""
    import faulty_networks
    import ray

    # Ray's workers cannot import what lies among the tests.
    ray.cloudpickle.register_pickle_by_value(faulty_networks)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()
