"""Where texts enter a network: embeddings of tokens and of their positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.blocks.masks import zero_padding


class TokenEmbedding(nn.Module):
    """Texts as sequences: every token is embedded, padding (token 0) as zeros.

    With ``positions`` where a token stands is learned and added, then both are normalised, as in BERT
    (Devlin et al., 2019).

    Args:
        num_embeddings: the number of different tokens. Found when the network is built.
        in_shapes: the shape of a text, ``((length,),)``. Found when the network is built.
        embedding_dim: the number of features of an embedded token.
        positions: whether positions are embedded: attention knows no order without.
        dropout: the probability that a feature is left out in training.
    """

    def __init__(
        self,
        num_embeddings: int,
        in_shapes: tuple[tuple[int, ...], ...],
        embedding_dim: int = 64,
        positions: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(num_embeddings, embedding_dim, padding_idx=0)
        self.positions: nn.Parameter | None = None
        if positions:
            length = in_shapes[0][0]
            self.positions = nn.Parameter(torch.empty(length, embedding_dim))
            nn.init.normal_(self.positions)
            self.norm = nn.LayerNorm(embedding_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Tensor) -> Tensor:
        """int64 ``(N, L)`` to ``(N, L, embedding_dim)``."""
        embedded: Tensor = self.tokens(input)
        if self.positions is not None:
            embedded = self.norm(embedded + self.positions[: input.shape[1]])
            embedded = zero_padding(embedded, input != 0)
        answer: Tensor = self.dropout(embedded)
        return answer
