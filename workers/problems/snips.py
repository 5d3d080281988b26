"""The snips problem: what a sentence to a voice assistant wants, and which of its words say the details."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from search_spaces.arguments import Seed, Share, checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Signature, Tagging, Tokens
from search_spaces.tasks import IGNORED

if TYPE_CHECKING:
    from workers.problems.problem import Problem
    from workers.problems.split import Split

LENGTH = 24
"""Words that a sentence has room for. A dozen sentences of train are longer, none of test: left out."""
HELD_OUT, SPLIT_SEED = 700, 0
PADDING, UNKNOWN = 0, 1
OUTSIDE = "O"


@dataclass(frozen=True)
class _Sentence:
    part: str
    intent: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


@checked(ProblemError)
def snips(tasks: Iterable[str] | None = None, label_dropout: Share = 0.0, dropout_seed: Seed = 0) -> Problem:
    """Sentences to a voice assistant, 7 intents and a slot tag per word (12,849 / 700 / 700); embedded.

    Input ``tokens`` (24 words, of 4,384): in lower case, without punctuation at their ends; 1 is a word
    that occurs less than twice in train, 0 is padding. Tasks ``intent`` and ``slots`` (72 tags: the beginning
    and the inside of 39 kinds of detail, and the rest). Test is the benchmark's own; validation is held out
    of its training sentences, of each intent as many. A sentence that comes twice is kept once, and not in
    train when it is in test. The Snips benchmark (Coucke et al. 2018), CC0, see ``data/LICENCE-snips.txt``.

    Args:
        tasks: the names of the tasks that stay; left out, all (`Problem.only`).
        label_dropout: the share of each task's training labels to drop (`Problem.drop`).
        dropout_seed: the seed of what is dropped.

    Raises:
        ProblemError: an argument is not what it should be, or a share would leave examples nothing.
    """
    import torch

    from workers.problems.problem import Problem
    from workers.problems.splitting import stratified_parts

    sentences = _read()
    test = [sentence for sentence in sentences if sentence.part == "test"]
    known = {sentence.words for sentence in test}
    rest = []
    for sentence in sentences:
        if sentence.words not in known and len(sentence.words) <= LENGTH:
            known.add(sentence.words)
            rest.append(sentence)
    intents = sorted({sentence.intent for sentence in sentences})
    classes = torch.tensor([intents.index(sentence.intent) for sentence in rest])
    held, kept = stratified_parts(classes, [HELD_OUT / len(rest)], SPLIT_SEED)
    train, validation = ([rest[index] for index in part.tolist()] for part in (kept, held))
    words = _vocabulary(train)
    tags = [OUTSIDE, *sorted({tag for sentence in sentences for tag in sentence.tags} - {OUTSIDE})]
    problem = Problem(
        "snips",
        Signature(
            {"tokens": Tokens(LENGTH, len(words) + 2)},
            {"intent": Classification(len(intents)), "slots": Tagging(len(tags), tuple(tags), "tokens")},
        ),
        _tensors(train, words, intents, tags),
        _tensors(validation, words, intents, tags),
        _tensors(test, words, intents, tags),
        description="Intents and slots of sentences to a voice assistant (Snips)",
        copy=False,
    )
    return problem.only(tasks=tasks).drop(labels=label_dropout, seed=dropout_seed)


def _read() -> list[_Sentence]:
    """The sentences of the embedded file, one a line: split, intent, words and tags between tabs."""
    path = files("workers.problems").joinpath("data/snips.tsv.gz")
    try:
        # not by splitlines: some words hold what Unicode takes for the end of a line
        lines = gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")
        return [
            _Sentence(part, intent, tuple(map(_plain, words.split(" "))), tuple(tags.split(" ")))
            for part, intent, words, tags in (line.split("\t") for line in lines)
        ]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ProblemError(f"snips: cannot read the embedded file {path}: {error}") from error


@cache
def _plain(word: str) -> str:
    word = word.lower()
    return re.sub(r"^\W+|\W+$", "", word) or word


def _vocabulary(train: Iterable[_Sentence]) -> dict[str, int]:
    """A number for each word, the most frequent first.

    Words that occur once are unknown, so that there is something to learn about unknown ones. With a small
    recurrent tagger this raises the slot F1 by 0.01, plain words raise it by 0.02.
    """
    counts = Counter(word for sentence in train for word in sentence.words)
    often = sorted((word for word, count in counts.items() if count > 1), key=lambda w: (-counts[w], w))
    return {word: number for number, word in enumerate(often, UNKNOWN + 1)}


def _tensors(sentences: list[_Sentence], words: dict[str, int], intents: list[str], tags: list[str]) -> Split:
    import torch

    from workers.problems.split import Split

    numbers = {tag: number for number, tag in enumerate(tags)}

    def padded(rows: Iterable[list[int]], filling: int) -> torch.Tensor:
        return torch.tensor([row + [filling] * (LENGTH - len(row)) for row in rows])

    return Split(
        {"tokens": padded(([words.get(w, UNKNOWN) for w in s.words] for s in sentences), PADDING)},
        {
            "intent": torch.tensor([intents.index(sentence.intent) for sentence in sentences]),
            "slots": padded(([numbers[tag] for tag in s.tags] for s in sentences), IGNORED),
        },
    )
