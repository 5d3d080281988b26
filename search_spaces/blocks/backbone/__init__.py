"""Backbones: streams, who owns their stages, and the links that join them.

`backbone` says which graph the few words stand for; `patterns` wires the streams, `fusion` the links, with
the names of `call_name` in a `wiring`. `sharing` and `links` have the modules that join.
"""

from search_spaces.blocks.backbone.backbone import Backbone, needs

__all__ = ["Backbone", "needs"]
