"""Backbones: streams, who owns their stages, and the links that join them."""

from search_spaces.blocks.backbone.backbone import Backbone, needs

__all__ = ["Backbone", "needs"]
