"""The space of multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import checked
from search_spaces.catalog.options import one_of, up_to
from search_spaces.errors import SpaceError
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential
from search_spaces.space import Space


@checked(SpaceError, only=())
def mlp(
    *,
    layers: int = 3,
    widths: Sequence[int] = (16, 32, 64, 128, 256),
    dropouts: Sequence[float] = (0.0, 0.1, 0.3),
    tokens: str = "mean",
    embedding_dim: int = 32,
) -> Space:
    """Fully connected layers for any input: how many, how wide, which normalisation and activation.

    Images, series and vectors are flattened, the padding of a series as zeros; tokens are embedded. All
    layers share normalisation, activation and whether they are wide. Without a layer it is a linear model.
    Wide layers hand on what they get beside what they make of it, so that the head sees the input, too
    (Cheng et al., Wide & Deep Learning for Recommender Systems, 2016).

    Args:
        layers: the largest number of hidden layers; the least is none.
        widths: the numbers of features a hidden layer may have.
        dropouts: the dropout probabilities after a hidden layer.
        tokens: the fate of the embedded tokens of a text: ``mean`` or ``flatten``.
        embedding_dim: the number of features of an embedded token.

    Any of these may be a hole of your own, such as ``widths=integer(16, 512, log=True)``.

    Raises:
        SpaceError: an option without values.
    """
    from search_spaces.blocks import Dense, ToVector

    hidden = layer(
        Dense,
        out_features=one_of("widths", widths),
        normalisation=choice("none", "batch", "layer", name="normalisation"),
        activation=choice("relu", "gelu", "tanh", name="activation"),
        dropout=one_of("dropouts", dropouts),
        wide=choice(False, True, name="wide"),
    )
    return Space(
        sequential(
            layer(ToVector, embedding_dim=embedding_dim, join=tokens),
            repeat(hidden, up_to("layers", layers, low=0)),
        )
    )
