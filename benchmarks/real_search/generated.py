"""Data that are generated: a table whose columns act together, and pairs of texts."""

from __future__ import annotations

import torch

from search_spaces import Classification, Regression, Signature, Tokens, Vector
from workers.problems import Problem
from workers.problems.split import Split

TABLE = {"train": 3000, "validation": 1000, "test": 1000}
COLUMNS = 12

PAIRS = {"train": 4000, "validation": 1000, "test": 1000}
LENGTH, TOPICS, OF_A_TOPIC, FILLERS = 10, 10, 4, 20
WORDS = 1 + TOPICS * OF_A_TOPIC + FILLERS
"""The vocabulary: padding, the words of the topics, and words of none."""


def table(seed: int) -> Problem:
    """Twelve columns in units from thousandths to millions, six of which say a number, mostly in pairs."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(TABLE.values())
    x = torch.randn(count, COLUMNS, generator=generator)
    noise = 0.3 * torch.randn(count, generator=generator)
    y = x[:, 0] * x[:, 1] + torch.sin(2 * x[:, 2]) + x[:, 3].relu() * x[:, 4].sign() + 0.5 * x[:, 5] + noise
    units = 10.0 ** torch.linspace(-3, 6, COLUMNS)
    return _divided(
        "table",
        Signature({"columns": Vector(COLUMNS)}, {"number": Regression()}),
        Split({"columns": x * units}, {"number": 1000 * y.unsqueeze(1)}),
        TABLE,
    )


def text_pairs(seed: int) -> Problem:
    """Two short texts: whether they are about the same topic, of which each has one or two words."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(PAIRS.values())
    same = torch.randint(2, (count,), generator=generator)
    first = torch.randint(TOPICS, (count,), generator=generator)
    other = (first + torch.randint(1, TOPICS, (count,), generator=generator)) % TOPICS
    return _divided(
        "text_pairs",
        Signature({name: Tokens(LENGTH, WORDS) for name in ("first", "second")}, {"same": Classification(2)}),
        Split(
            {
                "first": _texts(first, generator),
                "second": _texts(torch.where(same == 1, first, other), generator),
            },
            {"same": same},
        ),
        PAIRS,
    )


def _texts(topics: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A text about each topic: two of its words at random places, padded at the end."""
    shape = (len(topics), LENGTH)
    words = WORDS - FILLERS + torch.randint(FILLERS, shape, generator=generator)
    lengths = torch.randint(4, LENGTH + 1, (len(topics), 1), generator=generator)
    places = torch.rand(shape, generator=generator)
    places[torch.arange(LENGTH) >= lengths] = 2.0  # behind the end: no word of the topic
    first, second = places.argsort(dim=1)[:, :2].unbind(1)
    once = torch.rand(len(topics), generator=generator) < 0.5
    for place in (first, torch.where(once, first, second)):
        word = 1 + topics * OF_A_TOPIC + torch.randint(OF_A_TOPIC, topics.shape, generator=generator)
        words.scatter_(1, place.unsqueeze(1), word.unsqueeze(1))
    words[torch.arange(LENGTH) >= lengths] = 0
    return words


def _divided(name: str, signature: Signature, examples: Split, sizes: dict[str, int]) -> Problem:
    parts, start = {}, 0
    for part, size in sizes.items():
        parts[part] = examples.take(slice(start, start + size))
        start += size
    return Problem(name, signature, **parts)
