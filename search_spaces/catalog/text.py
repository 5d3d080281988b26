"""The space of encoders of texts: recurrent, convolutional and transformer networks, bags of n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.options import of_kind, one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.nodes import Layer, layer, repeat, sequential
from search_spaces.space import Space

KINDS = ("lstm", "gru", "cnn", "dpcnn", "transformer", "bag")
"""The kinds of encoders there are."""


@checked(SpaceError, only=())
def text(
    *,
    kinds: Sequence[str] = KINDS,
    layers: int = 3,
    embedding_dims: Sequence[int] = (64, 128),
    widths: Sequence[int] = (64, 128, 256),
    bidirectional: Sequence[bool] = (True,),
    kernels: Sequence[int] = (3, 5),
    heads: Sequence[int] = (2, 4, 8),
    mlp_ratios: Sequence[float] = (1.0, 2.0, 4.0),
    dropouts: Sequence[float] = (0.0, 0.1, 0.3, 0.5),
    ngrams: Sequence[int] = (1, 2, 3),
) -> Space:
    """Encoders of texts: LSTM, GRU, convolutions and attention, DPCNN, transformer or n-grams; size open.

    An embedding of the tokens, then stages of one kind, which answer series: stacked recurrent layers;
    residual convolutions and self-attention after them; DPCNN's pyramid (Johnson and Zhang, 2017), whose
    blocks halve the length; or BERT's layers (Devlin et al., 2019) on tokens with their positions. A bag has
    no stages: it is fastText (Joulin et al., 2017), which trains in a tenth of the time.

    Args:
        kinds: the kinds of encoders: ``lstm``, ``gru``, ``cnn``, ``dpcnn``, ``transformer``, ``bag``.
        layers: the largest number of stages after the embedding; there is at least one.
        embedding_dims: the numbers of features of an embedded token, but for the transformer's, which are
            ``widths``.
        widths: the numbers of features of a stage; each of two directions has half. Every number of ``heads``
            divides them.
        bidirectional: whether recurrent stages read backwards too.
        kernels: the sizes of the convolutions' kernels, odd.
        heads: the numbers of heads of attention.
        mlp_ratios: the numbers of features between a transformer layer's two linear ones, in multiples of the
            width.
        dropouts: the dropout probabilities after embedding and stages.
        ngrams: the numbers of tokens of a bag's longest n-grams.

    Any of these but ``kinds`` may be a hole of your own, such as ``layers=choice(6, 12)``.

    Raises:
        SpaceError: an option without values, or another kind.
    """
    from search_spaces.blocks import (
        NgramEmbedding,
        PyramidBlock,
        Recurrent,
        SequenceConvolution,
        TokenEmbedding,
        TransformerLayer,
    )

    width, dropout = one_of("widths", widths), one_of("dropouts", dropouts)
    kernel, head, depth = one_of("kernels", kernels), one_of("heads", heads), up_to("layers", layers)
    features = one_of("embedding_dims", embedding_dims)

    def with_dropout(factory: type, **options: Any) -> Layer:
        return layer(factory, **options, dropout=dropout)

    def recurrent(cell: str) -> Layer:
        either = one_of("bidirectional", bidirectional)
        return with_dropout(Recurrent, out_features=width, cell=cell, bidirectional=either)

    embedding = with_dropout(TokenEmbedding, embedding_dim=features)
    convolution = with_dropout(
        SequenceConvolution, out_features=width, kernel_size=kernel, normalisation="layer", residual=True
    )
    # DPCNN's blocks begin with an activation, and its first does not shorten the text
    region = layer(
        SequenceConvolution, out_features=width, kernel_size=kernel, normalisation="none", activation=None
    )
    shorter = repeat(with_dropout(PyramidBlock), up_to("layers", layers, low=0))
    transformer = with_dropout(TransformerLayer, heads=head, mlp_ratio=one_of("mlp_ratios", mlp_ratios))
    known = {
        "lstm": [embedding, repeat(recurrent("lstm"), depth)],
        "gru": [embedding, repeat(recurrent("gru"), depth)],
        "cnn": [
            embedding,
            repeat(convolution, depth),
            with_dropout(TransformerLayer, heads=head, mlp_ratio=0),
        ],
        "dpcnn": [embedding, region, with_dropout(PyramidBlock, pooling="none"), shorter],
        "transformer": [
            with_dropout(TokenEmbedding, embedding_dim=width, positions=True),
            repeat(transformer, depth),
        ],
        "bag": [with_dropout(NgramEmbedding, embedding_dim=features, ngrams=one_of("ngrams", ngrams))],
    }
    return Space(sequential(of_kind("kinds", kinds, known)))
