"""The public address of what connects to Ray: ``cluster.connect(...)``; see `workers.remote.cluster`."""

from workers.remote.cluster import connect, start_local

__all__ = ["connect", "start_local"]
