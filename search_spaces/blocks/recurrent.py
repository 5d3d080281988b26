"""Recurrent layers for sequences with padding: LSTM and GRU, in one direction or in both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.blocks.masks import reversal, zero_padding

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
"""Recurrent layers by name."""


class Recurrent(nn.Module):
    """An LSTM or GRU over a sequence, then dropout; bidirectional where asked.

    The second direction starts at the last real position of each sequence, so that answers do not depend on
    how much padding follows, and nothing has to be packed. Padding is answered by zeros.
    Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Cho et al., Learning Phrase Representations
    using RNN Encoder-Decoder, 2014; Schuster and Paliwal, Bidirectional Recurrent Neural Networks, 1997.

    Args:
        input_size, out_features: the number of features of a position, before and after. Each of two
            directions makes half of ``out_features``.
        cell: a name of `CELLS`.
        bidirectional: whether the sequence is read backwards too.
        dropout: the probability that a feature of the answer is left out in training.

    Raises:
        ValueError: another cell, or fewer features than directions.
    """

    def __init__(
        self,
        input_size: int,
        out_features: int,
        cell: str = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"expected a cell from {', '.join(CELLS)}, got {cell!r}")
        if out_features < 1 + bidirectional:
            raise ValueError(f"expected a feature for each direction, got out_features={out_features}")
        behind = out_features // 2 if bidirectional else 0
        self.ahead = CELLS[cell](input_size, out_features - behind, batch_first=True)
        self.back = CELLS[cell](input_size, behind, batch_first=True) if bidirectional else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L, input_size)`` to ``(N, L, out_features)``."""
        answer: Tensor = self.ahead(input)[0]
        if self.back is not None:
            order = reversal(input, mask)
            backwards = self.back(input.gather(1, order.expand_as(input)))[0]
            answer = torch.cat([answer, backwards.gather(1, order.expand_as(backwards))], -1)
        return zero_padding(self.dropout(answer), mask)
