"""The fixtures of the tests of faults."""

from fault_drivers import driver, nodes, server

__all__ = ["driver", "nodes", "server"]
