"""The space of networks for rows of tables: perceptrons, residual networks and transformers of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.options import of_kind, one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.space import Space

KINDS = ("mlp", "resnet", "transformer")
"""The kinds of networks there are."""

EMBEDDINGS = ("plain", "periodic")
"""How numbers enter a network."""


@checked(SpaceError, only=())
def table(
    *,
    kinds: Sequence[str] = KINDS,
    embeddings: Sequence[str] = EMBEDDINGS,
    layers: int = 4,
    widths: Sequence[int] = (64, 128, 256, 512),
    token_widths: Sequence[int] = (32, 64, 128),
    embedding_dims: Sequence[int] = (4, 8, 16, 32),
    number_dims: Sequence[int] = (4, 8, 16),
    frequencies: Sequence[int] = (16,),
    sigmas: Sequence[float] = (0.01, 0.03, 0.1, 0.3, 1.0),
    ratios: Sequence[float] = (1.0, 2.0, 4.0),
    heads: Sequence[int] = (2, 4, 8),
    dropouts: Sequence[float] = (0.0, 0.1, 0.3, 0.5),
) -> Space:
    """Networks for rows of tables: MLP, ResNet or FT-Transformer, whose numbers may be embedded, too.

    Numbers enter as they are or by periodic embeddings, whose scale is searched (Gorishniy et al., On
    Embeddings for Numerical Features in Tabular Deep Learning, 2022). Dense layers, of which none make a
    linear model; blocks of a ResNet; or a transformer whose tokens are the columns (both of Gorishniy et al.,
    Revisiting Deep Learning Models for Tabular Data, 2021). All answer vectors.

    Args:
        kinds: the kinds of networks: ``mlp``, ``resnet``, ``transformer``.
        embeddings: how numbers enter: ``plain`` or ``periodic``.
        layers: the largest number of dense layers, of a ResNet's blocks or a transformer's layers; the least
            is one, of dense layers none.
        widths: the numbers of features of a dense layer, and of a ResNet.
        token_widths: the numbers of features of a transformer's tokens; every number of ``heads`` divides
            them.
        embedding_dims: the largest numbers of features of an embedded category, but for the transformer's.
        number_dims: the numbers of features of a number that is embedded, but for the transformer's.
        frequencies: the numbers of frequencies of a periodic embedding.
        sigmas: the standard deviations of the frequencies at first.
        ratios: the numbers of features between two linear layers of a block, in multiples of the width.
        heads: the numbers of heads of attention in a layer.
        dropouts: the dropout probabilities after dense layers, within blocks and in transformer layers.

    Any of these but ``kinds`` and ``embeddings`` may be a hole of your own, such as
    ``widths=integer(16, 512, log=True)``.

    Raises:
        SpaceError: an option without values, another kind, or another way for numbers to enter.
    """
    from torch import nn

    from search_spaces.blocks import (
        ClassToken,
        Dense,
        FeatureTokenizer,
        ResidualDense,
        RowEmbedding,
        TransformerLayer,
    )

    width, dropout, ratio = one_of("widths", widths), one_of("dropouts", dropouts), one_of("ratios", ratios)
    depth = up_to("layers", layers)
    waves = {"frequencies": one_of("frequencies", frequencies), "sigma": one_of("sigmas", sigmas)}
    vector = {"embedding_dim": one_of("embedding_dims", embedding_dims)}
    embedded = waves | {"features": one_of("number_dims", number_dims)}
    rows = _entry(embeddings, RowEmbedding, vector, embedded)
    token = {"embedding_dim": one_of("token_widths", token_widths)}
    dense = layer(
        Dense,
        out_features=width,
        normalisation=choice("none", "batch", "layer", name="dense_normalisation"),
        activation=choice("relu", "gelu", "silu", name="dense_activation"),
        dropout=dropout,
    )
    linear = layer(nn.Linear, out_features=width)
    block = layer(
        ResidualDense,
        ratio=ratio,
        normalisation=choice("batch", "layer", name="block_normalisation"),
        dropout=dropout,
        residual_dropout=one_of("dropouts", dropouts),
    )
    attention = layer(
        TransformerLayer, heads=one_of("heads", heads), mlp_ratio=ratio, norm_first=True, dropout=dropout
    )
    known = {
        "mlp": [rows, repeat(dense, up_to("layers", layers, low=0))],
        "resnet": [rows, linear, repeat(block, depth), layer(nn.LayerNorm), layer(nn.ReLU)],
        "transformer": [
            _entry(embeddings, FeatureTokenizer, token, waves),
            repeat(attention, depth),
            layer(ClassToken),
        ],
    }
    return Space(sequential(of_kind("kinds", kinds, known)))


def _entry(embeddings: Sequence[str], factory: type, options: dict[str, Any], more: dict[str, Any]) -> Any:
    """The first layer, with the options that embedded numbers have beside those of plain ones."""
    known = {"plain": layer(factory, **options), "periodic": layer(factory, **options, **more)}
    return of_kind("embeddings", embeddings, known)
