"""Which space of the catalog encodes an input, by its kind."""

from __future__ import annotations

from search_spaces.catalog.cnn import cnn
from search_spaces.catalog.options import up_to
from search_spaces.catalog.series import series
from search_spaces.catalog.text import text
from search_spaces.catalog.vit import vit
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.signature import Image, Input, Sequence, Tokens
from search_spaces.space import Space


def encoder(kind: Input) -> Space:
    """Encoders for one input: layers that keep its kind, as the streams of a backbone need them.

    Images: convolutional networks without dense layers, or vision transformers, both giving maps. Series and
    texts: what `series` and `text` have, giving series. Vectors: dense layers. All of a size that trains in
    minutes on a laptop, several times over as some patterns of sharing want it; give larger ones yourself.

    Args:
        kind: of the input.
    """
    if isinstance(kind, Image):
        convolutions = cnn(
            depth=2,
            widths=(16, 32, 64, 128),
            downsampling=("stride", "max", "average"),
            stem_widths=(16, 32),
            stem_strides=(1, 2),
            dense_layers=0,
        )
        return Space(
            choice(
                cnn=convolutions.value, vit=vit(layers=3, widths=(32, 64), patch_sizes=_patches(kind)).value
            )
        )
    if isinstance(kind, Sequence):
        return series(widths=(32, 64, 128))
    return text(layers=2, widths=(64, 128)) if isinstance(kind, Tokens) else dense()


def dense(*, layers: int = 3) -> Space:
    """Dense layers on vectors.

    Args:
        layers: at most so many, at least one.
    """
    from search_spaces.blocks import Dense

    hidden = layer(
        Dense,
        out_features=choice(32, 64, 128, 256),
        normalisation=choice("none", "batch", "layer"),
        activation=choice("relu", "gelu"),
        dropout=choice(0.0, 0.1, 0.3),
    )
    return Space(sequential(repeat(hidden, up_to("layers", layers))))


def _patches(image: Image) -> tuple[int, ...]:
    """Sizes of patches that give from 4 to 8 in a row on the shorter side, as far as there are such."""
    side = min(image.height, image.width)
    fitting = tuple(size for size in (1, 2, 4, 7, 8, 14, 16, 32) if 4 <= side // size <= 8)
    return fitting or (max(1, side // 4),)
