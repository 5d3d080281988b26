"""Spaces of networks: an architecture with holes, and what fills, names, builds and measures it.

The ground of the house: it knows nothing of searching. Importing it does not import torch.
"""

from search_spaces.architecture import Architecture
from search_spaces.building.cost import Cost
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential, size
from search_spaces.ranges import integer, real
from search_spaces.signature import (
    Classification,
    DenseMap,
    Generation,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.space import Space

__all__ = [
    "Architecture",
    "Classification",
    "Cost",
    "DenseMap",
    "Generation",
    "Image",
    "Regression",
    "Retrieval",
    "Sequence",
    "Signature",
    "Space",
    "Tagging",
    "Tokens",
    "Vector",
    "choice",
    "integer",
    "layer",
    "real",
    "repeat",
    "sequential",
    "size",
]
