"""The search: its options, its loop, the trials in flight, and how they end."""

from nas.search.search import Search

__all__ = ["Search"]
