"""The space of vision transformers."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import checked
from search_spaces.catalog.options import one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.space import Space


@checked(SpaceError, only=())
def vit(
    *,
    layers: int = 4,
    widths: Sequence[int] = (32, 64, 128),
    patch_sizes: Sequence[int] = (2, 4, 8),
    heads: Sequence[int] = (2, 4, 8),
    mlp_ratios: Sequence[float] = (1.0, 2.0, 4.0),
    dropouts: Sequence[float] = (0.0, 0.1),
) -> Space:
    """Vision transformers for images of any size: patches, width, and heads and MLP ratio of every layer.

    Patches are embedded with their positions; layers with normalisation first; a last normalisation. All
    stages answer maps. The decisions are those of AutoFormer (Chen et al., AutoFormer: Searching Transformers
    for Visual Recognition, 2021), and the patch.

    Args:
        layers: the largest number of transformer layers; there is at least one.
        widths: the numbers of features a patch may have; every number of ``heads`` divides them.
        patch_sizes: the heights (and widths) of a patch in pixels. A layer's cost grows with the fourth power
            of how many patches there are in a row.
        heads: the numbers of heads of attention in a layer.
        mlp_ratios: the numbers of features between a layer's two linear ones, in multiples of the width.
        dropouts: the dropout probabilities after patches, attention and linear layers.

    Any of these may be a hole of your own, such as ``layers=choice(6, 12)``.

    Raises:
        SpaceError: an option without values.
    """
    from search_spaces.blocks import MapNorm, MapTransformerLayer, PatchEmbedding

    patches = layer(
        PatchEmbedding,
        out_channels=one_of("widths", widths),
        patch_size=one_of("patch_sizes", patch_sizes),
        dropout=one_of("dropouts", dropouts),
    )
    transformer = layer(
        MapTransformerLayer,
        heads=one_of("heads", heads),
        mlp_ratio=one_of("mlp_ratios", mlp_ratios),
        dropout=one_of("dropouts", dropouts),
    )
    return Space(sequential(patches, repeat(transformer, up_to("layers", layers)), layer(MapNorm)))
