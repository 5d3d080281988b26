"""Heads: what turns features into the answer of a task."""

from search_spaces.blocks.heads.heads import DenseHead, Head, default_head

__all__ = ["DenseHead", "Head", "default_head"]
