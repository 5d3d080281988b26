"""Modules that spaces are made of, beside those of torch.

Blocks for images (`convolution`, `cell`, `vision`), series and texts (`recurrent`, `sequence_convolution`,
`text`, `attention`, `hugging_face`), rows of tables (`tabular`) and vectors (`dense`, `entry`); `graph`
joins parts of any kind, `backbone` writes such graphs in few words, and `heads` answer tasks. `masks` and
`pooling` know which positions of a sequence are real.

JSON knows a block by the name it has here: names stay.
"""

from search_spaces.blocks.attention import SelfAttention, TransformerLayer
from search_spaces.blocks.backbone.backbone import Backbone
from search_spaces.blocks.backbone.links import Attend, Concat, Gate, LowRank, Sum
from search_spaces.blocks.backbone.sharing import (
    Average,
    Beside,
    Pool,
    Route,
    Stitch,
    TaskAttention,
    TaskMask,
)
from search_spaces.blocks.cell import Cell, Reduction
from search_spaces.blocks.convolution import (
    Bottleneck,
    ConvNormActivation,
    Inception,
    Residual,
    Stage,
)
from search_spaces.blocks.dense import Dense
from search_spaces.blocks.entry import ToVector
from search_spaces.blocks.graph import Graph
from search_spaces.blocks.heads.generation import GenerationHead
from search_spaces.blocks.heads.heads import DenseHead, Head, default_head
from search_spaces.blocks.heads.retrieval import RetrievalHead
from search_spaces.blocks.heads.tagging import CrfHead
from search_spaces.blocks.hugging_face import HuggingFaceEncoder
from search_spaces.blocks.parallel import Parallel
from search_spaces.blocks.recurrent import Recurrent
from search_spaces.blocks.sequence_convolution import PyramidBlock, SequenceConvolution
from search_spaces.blocks.tabular import ClassToken, FeatureTokenizer, ResidualDense, RowEmbedding
from search_spaces.blocks.text import NgramEmbedding, TokenEmbedding
from search_spaces.blocks.vision import MapNorm, MapTransformerLayer, PatchEmbedding

__all__ = [
    "Attend",
    "Average",
    "Backbone",
    "Beside",
    "Bottleneck",
    "Cell",
    "ClassToken",
    "Concat",
    "ConvNormActivation",
    "CrfHead",
    "Dense",
    "DenseHead",
    "FeatureTokenizer",
    "Gate",
    "GenerationHead",
    "Graph",
    "Head",
    "HuggingFaceEncoder",
    "Inception",
    "LowRank",
    "MapNorm",
    "MapTransformerLayer",
    "NgramEmbedding",
    "Parallel",
    "PatchEmbedding",
    "Pool",
    "PyramidBlock",
    "Recurrent",
    "Reduction",
    "Residual",
    "ResidualDense",
    "RetrievalHead",
    "Route",
    "RowEmbedding",
    "SelfAttention",
    "SequenceConvolution",
    "Stage",
    "Stitch",
    "Sum",
    "TaskAttention",
    "TaskMask",
    "ToVector",
    "TokenEmbedding",
    "TransformerLayer",
    "default_head",
]
