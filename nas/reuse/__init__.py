"""Reuse of what was found: loaded, rebuilt, trained again, joined, compared and exported."""

from nas.reuse.found import Found
from nas.reuse.load import load

__all__ = ["Found", "load"]
