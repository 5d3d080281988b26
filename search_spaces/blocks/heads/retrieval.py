"""The head of retrieval: items of two modalities become points of one space, matching ones close together."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.pooling import before_last, full_precision
from search_spaces.errors import BuildError
from search_spaces.signature import Retrieval, Task

TEMPERATURE = 0.07
"""Of a contrastive loss before any is learned (Radford et al. 2021, section 2.5)."""


def contrastive_loss(query: Tensor, gallery: Tensor, target: Tensor, scale: Tensor | float) -> Tensor:
    """InfoNCE both ways: each query's matches among the gallery and each of the gallery's among the queries.

    The mean over both directions of the cross entropy of ``scale * query @ gallery.T`` with the uniform
    distribution over the matches (Khosla et al. 2020, equation 2; with one match each, CLIP's loss).

    Args:
        query, gallery: the embeddings, ``(N, F)``, each of length 1. The two of a row match, and so do those
            of rows of equal target.
        target: the items, int64 ``(N,)``.
        scale: the inverse of the temperature.
    """
    with full_precision(query):
        scores = scale * query.float() @ gallery.float().T
        matches = (target.unsqueeze(1) == target.unsqueeze(0)).float()
        # symmetric, so that it serves both ways
        wanted = matches / matches.sum(1, keepdim=True)
        return (F.cross_entropy(scores, wanted) + F.cross_entropy(scores.T, wanted)) / 2


class RetrievalHead(nn.Module):
    """A linear map of each modality to embeddings of length 1, learned by a contrastive loss.

    Args:
        task: a `Retrieval`.
        shape: the shapes of one example's two features, both vectors: the query's and the gallery's.
        hidden: the number of units of a layer before the last of each; 0: no such layer.
        dropout: the probability that a feature is left out before the last layers in training.

    Raises:
        BuildError: features of other shapes, or a task of another kind.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[tuple[int, ...], tuple[int, ...]],
        hidden: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        vectors = len(shape) == 2 and all(isinstance(one, tuple | list) and len(one) == 1 for one in shape)
        if not isinstance(task, Retrieval) or not vectors:
            raise BuildError(f"RetrievalHead: expected a Retrieval task and two vectors, got {task}, {shape}")
        (query,), (gallery,) = shape
        self.before_query, query = before_last(query, hidden, dropout)
        self.before_gallery, gallery = before_last(gallery, hidden, dropout)
        self.query = nn.Linear(query, task.features)
        self.gallery = nn.Linear(gallery, task.features)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    def forward(self, features: tuple[Tensor, Tensor], mask: object = None) -> Tensor:
        """Two of ``(N, F)`` to ``(N, 2, features)``: the embeddings of the query and of the gallery."""
        query = self.query(self.before_query(features[0]))
        gallery = self.gallery(self.before_gallery(features[1]))
        return F.normalize(torch.stack([query, gallery], 1).float(), dim=2)

    def loss(self, features: tuple[Tensor, Tensor], target: Tensor, mask: object = None) -> Tensor:
        """`contrastive_loss` within the batch, at the temperature learned so far, which is 0.01 at least."""
        query, gallery = self(features).unbind(1)
        return contrastive_loss(query, gallery, target, self.log_scale.clamp(max=math.log(100)).exp())
