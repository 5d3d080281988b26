"""Vision transformers: patches of an image as a map, and transformer layers over maps.

Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, 2021.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.attention import TransformerLayer


class PatchEmbedding(nn.Module):
    """An image as a map of its patches, each a linear map of its pixels and of where it stands.

    Images whose sides are no multiples of the patch are filled up with zeros, at the right and below.

    Args:
        in_channels: the channels of the image.
        out_channels: the channels of the map.
        in_shapes: the shape of the image, ``((in_channels, height, width),)``: a position embedding is
            learned for every patch. Found when the network is built.
        patch_size: the height and width of a patch, in pixels.
        dropout: the probability that a feature is left out in training.

    Raises:
        ValueError: a patch of no pixel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        in_shapes: tuple[tuple[int, ...], ...],
        patch_size: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if patch_size < 1:
            raise ValueError(f"expected patch_size >= 1, got {patch_size}")
        _, height, width = in_shapes[0]
        self.patch_size = patch_size
        self.patches = nn.Conv2d(in_channels, out_channels, patch_size, patch_size)
        rows, columns = (-(-side // patch_size) for side in (height, width))
        self.positions = nn.Parameter(torch.empty(out_channels, rows, columns))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H / patch_size, W / patch_size)``, rounded up."""
        height, width = (-side % self.patch_size for side in input.shape[2:])
        answer: Tensor = self.dropout(self.patches(F.pad(input, (0, width, 0, height))) + self.positions)
        return answer


class MapTransformerLayer(nn.Module):
    """A transformer layer over the positions of a map; normalisation comes first.

    Args:
        in_channels: the channels of the map, before and after.
        heads, mlp_ratio, activation, dropout: the arguments of `TransformerLayer`.

    Raises:
        ValueError: heads that do not divide ``in_channels``, or an unknown activation.
    """

    def __init__(
        self,
        in_channels: int,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        activation: str = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layer = TransformerLayer(in_channels, heads, mlp_ratio, True, activation, dropout)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to the same."""
        positions = input.flatten(2).transpose(1, 2)
        answer: Tensor = self.layer(positions)
        return answer.transpose(1, 2).reshape(input.shape)

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """That of the layer it has for every position."""
        known = {name: value for name, value in arguments.items() if name != "in_channels"}
        return {"$map": TransformerLayer.canonical(known)}


class MapNorm(nn.Module):
    """Layer normalisation of every position of a map, over its channels.

    Args:
        in_channels: the channels of the map.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to the same."""
        answer: Tensor = self.norm(input.movedim(1, -1))
        return answer.movedim(-1, 1)
