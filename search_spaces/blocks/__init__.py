"""Modules that spaces are made of, beside those of torch."""

from search_spaces.blocks.heads import Head

__all__ = ["Head"]
