"""Self-attention: the layer of transformers for sequences and for maps."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.convolution import activation_named
from search_spaces.blocks.masks import attended, zero_padding


class SelfAttention(nn.Module):
    """Attention of every position to every real one, in several heads.

    Vaswani et al., Attention Is All You Need, 2017, section 3.2. Attention weights have no dropout: with it
    torch has no fused kernel on CPUs.

    Args:
        d_model: the number of features of a position.
        heads: the number of heads, which share ``d_model`` evenly.

    Raises:
        ValueError: heads that do not divide ``d_model``.
    """

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or d_model % heads:
            raise ValueError(f"expected heads that divide d_model={d_model}, got {heads}")
        self.heads = heads
        self.project = nn.Linear(d_model, 3 * d_model)
        self.join = nn.Linear(d_model, d_model)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L, d_model)`` to the same; a sequence without a real position attends to all of it."""
        queries, keys, values = self.project(input).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        look = attended(mask)
        answer = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=None if look is None else look[:, None, None, :]
        )
        joined: Tensor = self.join(answer.transpose(1, 2).flatten(2))
        return joined


class TransformerLayer(nn.Module):
    """A layer of a transformer's encoder: self-attention and two linear layers, around each its input added.

    Normalisation comes after each addition, as in Vaswani et al., 2017, and BERT (Devlin et al., 2019), or
    before attention and linear layers (``norm_first``), as in ViT (Dosovitskiy et al., 2021).

    Args:
        d_model: the number of features of the positions, before and after.
        heads: the number of heads of the attention, a divisor of ``d_model``.
        mlp_ratio: the number of features between the two linear layers, in multiples of ``d_model``; 0 leaves
            them out.
        norm_first: whether normalisation stands before attention and linear layers.
        activation: the activation between the linear layers, a name of
            `search_spaces.blocks.convolution.ACTIVATIONS`.
        dropout: the probability that a feature of what is added is left out in training.

    Raises:
        ValueError: heads that do not divide ``d_model``, or an unknown activation.
    """

    def __init__(
        self,
        d_model: int,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        norm_first: bool = False,
        activation: str = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = SelfAttention(d_model, heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.mlp: nn.Module | None = None
        if mlp_ratio:
            middle = max(1, round(d_model * mlp_ratio))
            self.mlp = nn.Sequential(
                nn.Linear(d_model, middle),
                activation_named(activation),
                nn.Dropout(dropout),
                nn.Linear(middle, d_model),
            )
            self.mlp_norm = nn.LayerNorm(d_model)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L, d_model)`` to the same."""
        if self.norm_first:
            answer = input + self.dropout(self.attention(self.attention_norm(input), mask))
            if self.mlp is not None:
                answer = answer + self.dropout(self.mlp(self.mlp_norm(answer)))
        else:
            answer = self.attention_norm(input + self.dropout(self.attention(input, mask)))
            if self.mlp is not None:
                answer = self.mlp_norm(answer + self.dropout(self.mlp(answer)))
        return zero_padding(answer, mask)

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Without linear layers there is no activation between them."""
        known = {name: value for name, value in arguments.items() if name != "d_model"}
        if not known["mlp_ratio"]:
            del known["activation"]
        return {"$transformer_layer": known}
