"""Connecting to Ray: to the cluster that is there, or to one of our own on this machine."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from search_spaces.arguments import Count, NotNegative, check_fields, checked
from search_spaces.errors import ExecutorError

_LEAST_SHARE = 1e-4
"""The smallest share of a GPU that Ray counts."""

_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would report usage over the network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # and rename the GPUs of workers that ask for none
    "RAY_worker_niceness": "0",  # and run workers at niceness 15: beside other work they would starve
}
"""Variables that a Ray of our own starts with, in place of Ray's defaults."""

QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}


@checked(ExecutorError)
def connect(address: str | None, cpus: Count | None) -> bool:
    """Makes sure that this process is connected to a Ray cluster.

    Args:
        address: the address of the cluster to connect to when there is no connection yet; None: the one named
            by the environment variable ``RAY_ADDRESS``, else a new one here, reachable from this machine
            only.
        cpus: the CPUs that a new one needs at least; None: those of the machine.

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


@checked(ExecutorError)
def start_local(cpus: Count) -> None:
    """Starts a Ray of this many CPUs here and connects to it.

    Its ports answer this machine only; its workers run at the priority of this process, unless the
    environment variable ``RAY_worker_niceness`` says by how much lower.
    """
    from ray._private import ray_constants

    # Whoever reaches Ray's ports can run code. On macOS and Windows Ray listens on the loopback interface;
    # elsewhere only this switch makes it: it turns "127.0.0.1" into the machine's address again.
    listens_outside = getattr(ray_constants, "ENABLE_RAY_CLUSTER", None)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with environment(_LOCAL):
            ray.init(
                address="local", num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1", **QUIET
            )
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = listens_outside


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables while Ray reads them; what the user has set stays as it is."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@dataclass(frozen=True)
class Resources:
    """What one process takes of the cluster.

    Attributes:
        cpus: the cores, and torch's threads.
        gpus: the GPUs, or a share of one.
        memory: the bytes of main memory that Ray sets aside for it; None: not counted.
        others: the resources that your cluster names itself, such as ``{"A100": 1}``.
    """

    cpus: Count = 1
    gpus: NotNegative = 0
    memory: Count | None = None
    others: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, ExecutorError)
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ExecutorError(f"gpus: expected a share of one or a whole number, got {self.gpus!r}")
        if 0 < self.gpus < _LEAST_SHARE:
            raise ExecutorError(f"gpus: expected a share of at least {_LEAST_SHARE}, got {self.gpus!r}")
        for name, value in self.others.items():
            if name in ("CPU", "GPU", "memory") or not value > 0:
                raise ExecutorError(
                    f"resources: {name!r}: {value!r} (say CPU, GPU and memory by their arguments)"
                )

    @property
    def share(self) -> float:
        """The share of a card's memory that each process may use, from 0 to 1."""
        return self.gpus if 0 < self.gpus < 1 else 1.0

    def options(self) -> dict[str, Any]:
        """As options of a Ray actor."""
        options: dict[str, Any] = {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "resources": dict(self.others),
        }
        return options if self.memory is None else options | {"memory": self.memory}

    def bundle(self) -> dict[str, float]:
        """As Ray counts them."""
        counted = {"CPU": float(self.cpus), "GPU": float(self.gpus), "memory": float(self.memory or 0)}
        return {name: value for name, value in (counted | dict(self.others)).items() if value > 0}

    def words(self) -> str:
        """For people."""
        return ", ".join(f"{value:g} {name}" for name, value in self.bundle().items())


def room(resources: Resources, processes: int = 1) -> int:
    """How many groups of so many processes of this size fit on the cluster, when it is empty.

    Each on one node; where no node has room for one, each on several.
    """
    nodes = _room_by_node(resources)
    return sum(here // processes for here in nodes) or sum(nodes) // processes


def fits_one_node(resources: Resources, processes: int) -> bool:
    """Whether some node has room for so many processes of this size, when it is empty."""
    return max(_room_by_node(resources), default=0) >= processes


def _room_by_node(resources: Resources) -> list[int]:
    """How many processes of this size fit on each node that is alive."""
    wanted = resources.bundle()
    return [_times(wanted, node["Resources"]) for node in _living_nodes()]


def _living_nodes() -> list[dict[str, Any]]:
    """The nodes that are alive, as Ray describes them.

    Where this process's own is not, nothing that it asks of Ray is answered any more, neither the end of an
    actor nor a shutdown. Ray ends a process that notices so; but who waits for a node that hangs does not
    notice. So the process is ended here.
    """
    nodes = ray.nodes()
    dead = [node["NodeID"] for node in nodes if not node["Alive"]]
    if dead and ray.get_runtime_context().get_node_id() in dead:
        print("the Ray node that this process runs on has died, and the process with it", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    return [node for node in nodes if node["Alive"]]


def _times(wanted: Mapping[str, float], there: Mapping[str, float]) -> int:
    """How often what is wanted is in what there is, by resource."""
    return min(int(there.get(name, 0.0) / value + 1e-6) for name, value in wanted.items())


@dataclass(frozen=True)
class NodeCards:
    """The cards of a node, as they are reserved one by one.

    Attributes:
        count: how many there are.
        bundle: what is reserved with each of them, the card included.
        workers: how many workers the rest of that is enough for.
    """

    count: int
    bundle: Mapping[str, float]
    workers: int


def cards_by_node(resources: Resources) -> dict[str, NodeCards]:
    """The cards of each node that is alive and has some with room for a worker beside each, by its id.

    Args:
        resources: what each worker takes; its GPUs do not count.
    """
    wanted = replace(resources, gpus=0).bundle()
    found = {}
    for node in _living_nodes():
        there = node["Resources"]
        cards = min(_times(wanted, there), int(there.get("GPU", 0.0)))
        if cards:
            parts = {name: there[name] / cards for name in wanted}
            # Ray counts bytes whole, and the rest to the ten thousandth
            whole = {
                name: float(int(part)) if name in ("CPU", "memory") else int(part * 1e4) / 1e4
                for name, part in parts.items()
            }
            found[str(node["NodeID"])] = NodeCards(cards, whole | {"GPU": 1.0}, _times(wanted, whole))
    return found


def require_room(resources: Resources, processes: int = 1) -> None:
    """Checks that there is `room` for one worker, at least.

    Raises:
        ExecutorError: there is no room.
    """
    if not room(resources, processes):
        words = resources.words()
        size = words if processes == 1 else f"{processes} processes of {words} each"
        raise ExecutorError(f"no room for a worker of {size}: the cluster has {there_is()}")


def there_is() -> str:
    """What the cluster has, for people."""
    total = ray.cluster_resources()
    nodes = [node["Resources"] for node in _living_nodes()]
    words = f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"
    words += f" on {len(nodes)} node{'s' * (len(nodes) != 1)}"
    if len(nodes) > 1:
        most = [max(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")]
        words += f" ({most[0]:g} CPUs and {most[1]:g} GPUs at most on one)"
    return words


LOOK_SECONDS = 5.0
"""How often the cluster is looked at for nodes that joined or left."""
