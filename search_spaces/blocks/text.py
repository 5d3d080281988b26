"""Where texts enter a network: embeddings of tokens and of their positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


class NgramEmbedding(nn.Module):
    """Texts as sequences: at each token what it means alone, and together with those right before it.

    The mean over the positions, which heads take, is fastText's bag of n-grams (Joulin et al., Bag of Tricks
    for Efficient Text Classification, 2017). Pairs and longer n-grams share a table of fixed size by a hash.

    Args:
        num_embeddings: the number of different tokens. Found when the network is built.
        embedding_dim: the number of features of an embedded token or n-gram.
        ngrams: the number of tokens of the longest n-grams; 1: no more than the tokens themselves.
        buckets: the number of rows that all n-grams of more than one token share.
        dropout: the probability that a feature is left out in training.

    Raises:
        ValueError: fewer than one token, or than one bucket.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int = 64,
        ngrams: int = 2,
        buckets: int = 8192,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if ngrams < 1 or buckets < 1:
            raise ValueError(f"expected ngrams and buckets >= 1, got {ngrams} and {buckets}")
        self.ngrams, self.buckets = ngrams, buckets
        self.tokens = nn.Embedding(num_embeddings, embedding_dim, padding_idx=0)
        self.together: nn.Embedding | None = None
        if ngrams > 1:
            self.together = nn.Embedding(1 + buckets, embedding_dim, padding_idx=0)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Tensor) -> Tensor:
        """int64 ``(N, L)`` to ``(N, L, embedding_dim)``, zeros at padding."""
        embedded: Tensor = self.tokens(input)
        if self.together is not None:
            row, before, there = input, input, input != 0
            for _ in range(self.ngrams - 1):
                before = F.pad(before, (1, 0))[:, :-1]
                there = there & (before != 0)
                # the factor of FNV-1a (Fowler, Noll & Vo); what it is multiplied by is below the buckets
                row = (row * 16777619 + before) % self.buckets
                embedded = embedded + self.together((row + 1) * there)
        answer: Tensor = self.dropout(embedded)
        return answer
