"""Heads: what turns features into the answer of a task.

`heads` has those of classes, numbers, tags and dense maps, and which one is the default; `links` keep to
answers that a task can have; `tagging` has a conditional random field over the `chain` of tags; `retrieval`
and `generation` have one each.
"""

from search_spaces.blocks.heads.heads import DenseHead, Head, default_head

__all__ = ["DenseHead", "Head", "default_head"]
