"""Which space of the catalog encodes an input, by its kind."""

from __future__ import annotations

from collections.abc import Sequence as Names
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.cell import cell
from search_spaces.catalog.cnn import cnn
from search_spaces.catalog.options import of_kind, up_to
from search_spaces.catalog.series import series
from search_spaces.catalog.table import table
from search_spaces.catalog.text import text
from search_spaces.catalog.vit import vit
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.signature import Image, Input, Sequence, TabularRow, Vector
from search_spaces.space import Space

_OF_ROWS = ("mlp", "resnet")
"""The kinds of `table` all of whose stages answer vectors: a transformer has tokens on its way."""


@checked(SpaceError, only=("kind",))
def encoder(kind: Input, kinds: Names[str] | None = None) -> Space:
    """Encoders for one input: layers that keep its kind, as the streams of a backbone need them.

    Images: convolutional networks without dense layers, vision transformers, or the cell of NAS-Bench-201,
    all answering maps. Series and texts: what `series` and `text` have, answering series. Rows: perceptrons
    and residual networks of `table`, answering vectors. Vectors: dense layers. All have a size that trains in
    minutes on a laptop, several times over as some patterns of sharing want it; pass larger ones yourself.

    Args:
        kind: the kind of the input.
        kinds: the kinds of encoders: ``cnn``, ``vit``, ``cell``; those of `series`; those of `text`; ``mlp``,
            ``resnet``; ``dense``. None: all, but of images no cell, whose maps are large.

    Raises:
        SpaceError: no kinds, or one that is not known.
    """
    if isinstance(kind, Image):
        return Space(of_kind("kinds", ("cnn", "vit") if kinds is None else kinds, _of_images(kind)))
    if isinstance(kind, Vector):
        return Space(of_kind("kinds", ("dense",) if kinds is None else kinds, {"dense": dense().value}))
    if isinstance(kind, TabularRow):
        known = {name: table(kinds=(name,), layers=3, widths=(32, 64, 128, 256)).value for name in _OF_ROWS}
        return Space(of_kind("kinds", _OF_ROWS if kinds is None else kinds, known))
    own: dict[str, Any] = {} if kinds is None else {"kinds": kinds}
    if isinstance(kind, Sequence):
        return series(widths=(32, 64, 128), **own)
    return text(layers=2, widths=(64, 128), **own)


def _of_images(image: Image) -> dict[str, Any]:
    convolutions = cnn(
        depth=2,
        widths=(16, 32, 64, 128),
        downsampling=("stride", "max", "average"),
        stem_widths=(16, 32),
        stem_strides=(1, 2),
        dense_layers=0,
    )
    transformers = vit(layers=3, widths=(32, 64), patch_sizes=_patches(image))
    cells = cell(channels=(8, 16), cells=(1, 2))
    return {"cnn": convolutions.value, "vit": transformers.value, "cell": cells.value}


def dense(*, layers: int = 3) -> Space:
    """Dense layers on vectors.

    Args:
        layers: the largest number of layers; there is at least one.
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
    """Sizes of patches of which 4 to 8 lie in a row on the shorter side, as far as there are such."""
    side = min(image.height, image.width)
    fitting = tuple(size for size in (1, 2, 4, 7, 8, 14, 16, 32) if 4 <= side // size <= 8)
    return fitting or (max(1, side // 4),)
