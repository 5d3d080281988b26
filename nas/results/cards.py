"""What the cards of a search did: of each the records over time, and in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from nas.results.text import size
from workers.executor import Card

CardRecord = tuple[float, Card]
"""Seconds of the search, and what one card did then."""


def told(cards: Sequence[Card]) -> str:
    """Returns which cards these are, in words: ``8 x NVIDIA H100 on 2 nodes``."""
    names = Counter(card.name for card in cards)
    nodes = len({card.node for card in cards})
    which = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items())
    return which if nodes == 1 else f"{which} on {nodes} nodes"


def by_card(records: Sequence[CardRecord]) -> dict[str, list[CardRecord]]:
    """Returns the records of each card by its id, in the order of time."""
    found: dict[str, list[CardRecord]] = {}
    for record in records:
        found.setdefault(record[1].id, []).append(record)
    return found


def last_cards(records: Sequence[CardRecord]) -> list[Card]:
    """Returns the last record of all cards that were there then."""
    return [card for at, card in records if at == records[-1][0]]


def card_text(card: Card) -> str:
    """Returns what a card did, in words: ``6 trials, room for 8, 93 % busy, 12.00 GB of 80.00 GB``."""
    parts = [f"{card.trials} trial{'s' * (card.trials != 1)}, room for {card.room}"]
    if card.busy is not None:
        parts.append(f"{100 * card.busy:.0f} % busy")
    if card.memory is not None:
        whole = "" if card.memory_total is None else f" of {size(card.memory_total)}"
        parts.append(f"{size(card.memory)}{whole}")
    return ", ".join(parts)


def memory_share(card: Card) -> float | None:
    """Returns the share of a card's memory that is in use, from 0 to 1; None where it is not known."""
    if card.memory is None or not card.memory_total:
        return None
    return card.memory / card.memory_total


def mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean of those that are known; None where none is."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None
