"""The space of networks for several modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.multitask import OPERATORS, POSITIONS, SHARING, multitask
from search_spaces.errors import SpaceError
from search_spaces.signature import Signature
from search_spaces.space import Space


@checked(SpaceError, only=("signature", "encoders", "heads"))
def multimodal(
    signature: Signature,
    *,
    links: int = 2,
    operators: Sequence[str] = OPERATORS,
    positions: Sequence[float] = POSITIONS,
    widths: Sequence[int] = (64, 128),
    poolings: Sequence[str] = ("mean", "max", "attention"),
    sharing: Sequence[str] = SHARING,
    encoders: Mapping[str, Any] | None = None,
    heads: Mapping[str, Any] | None = None,
    **options: Any,
) -> Space:
    """Networks for several modalities: encoders, the links that join them, and heads.

    Each input has an encoder. Links join them one after another, each what it taps of the streams, early or
    late or not at all, and the answer of the link before (as in Perez-Rua et al., MFAS, 2019). Early fusion,
    late fusion and all between are points of it. Several tasks share streams and links as in `multitask`.

    Args:
        signature: the inputs and tasks.
        links: the largest number of links; there is at least one.
        operators: the operators of a link: ``sum``, ``concat``, ``gate``, ``attend`` (cross-attention) or
            ``lowrank`` (a tensor of low rank).
        positions: the places along a stream where a link may tap it, above 0 (its first stage) to 1 (its
            end).
        widths: the numbers of features of a link's answer.
        poolings: the ways of a link to pool the positions of what it taps.
        sharing, encoders, heads, options: the arguments of `multitask`.

    Raises:
        SpaceError: an option without values, another pattern or operator, or a name not in the signature.
    """
    return multitask(
        signature,
        sharing=sharing,
        encoders=encoders,
        heads=heads,
        links=links,
        operators=operators,
        positions=positions,
        widths=widths,
        poolings=poolings,
        **options,
    )
