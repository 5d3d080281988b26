"""Connecting to Ray: to the cluster that is there, or to one of our own on this machine."""

import os
from typing import Any

import ray

from search_spaces.errors import ExecutorError

QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}


def connect(address: str | None, cpus: int | None) -> bool:
    """Make sure that this process is connected to a Ray cluster.

    Args:
        address: of the cluster to connect to when there is no connection yet; None: the one named by the
            environment variable ``RAY_ADDRESS``, else a new one here, reachable from this machine only.
        cpus: that a new one needs at least; None: those of the machine.

    Returns:
        Whether the connection was made here, so that it must be ended here.

    Raises:
        ExecutorError: there is no such cluster, or none can be started.
    """
    if ray.is_initialized():
        return False
    named = address or os.environ.get("RAY_ADDRESS")
    try:
        if named:
            ray.init(address=named, **QUIET)
        else:
            start_local(max(cpus or 1, os.cpu_count() or 1))
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = f"to the Ray cluster at {named!r}" if named else "to a Ray cluster of its own"
        raise ExecutorError(f"cannot connect {where}: {error}") from error
    return True


def start_local(cpus: int) -> None:
    """Start a Ray of this many CPUs here and connect to it; its ports answer this machine only."""
    # Ray's own defaults report usage over the network and rename GPUs of workers that ask for none.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    from ray._private import ray_constants

    # Whoever reaches Ray's ports can run code. On macOS and Windows Ray listens on the loopback interface;
    # elsewhere only this switch makes it: it turns "127.0.0.1" into the machine's address again.
    listens_outside = getattr(ray_constants, "ENABLE_RAY_CLUSTER", None)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local", num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1", **QUIET
        )
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = listens_outside


def room(cpus: int, gpus: float) -> int:
    """How many workers of this size the cluster has room for in all.

    Raises:
        ExecutorError: not one.
    """
    there = ray.cluster_resources()
    counts = [int(there.get("CPU", 0) // cpus)]
    if gpus:
        counts.append(int(there.get("GPU", 0) // gpus))
    if min(counts) < 1:
        raise ExecutorError(
            f"no room for a worker of {cpus} CPUs and {gpus:g} GPUs: "
            f"the cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs"
        )
    return min(counts)
