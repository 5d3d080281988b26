"""Modules that spaces are made of, beside those of torch."""

from search_spaces.blocks.cell import Cell, Reduction
from search_spaces.blocks.convolution import (
    Bottleneck,
    ConvNormActivation,
    Inception,
    Residual,
    Stage,
)
from search_spaces.blocks.entry import ToVector
from search_spaces.blocks.heads import Head
from search_spaces.blocks.parallel import Parallel

__all__ = [
    "Bottleneck",
    "Cell",
    "ConvNormActivation",
    "Head",
    "Inception",
    "Parallel",
    "Reduction",
    "Residual",
    "Stage",
    "ToVector",
]
