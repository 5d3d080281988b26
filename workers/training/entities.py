"""How many entities a tagger finds: seqeval's count, for whole batches of sequences at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from search_spaces.tasks import IGNORED

OUTSIDE = "O"
"""The label of what is in no entity; sequences stand between two of them."""


class EntityCounts:
    """Entities in targets, in answers and in both, of all types together.

    Where an entity begins and ends is for each pair of neighbouring labels what seqeval says in its default
    mode, that of conlleval; an ``I-`` after an ``O`` begins one. Two entities are the same if they have
    the same type, beginning and end. Positions that are ignored are left out of their sequences.

    Args:
        labels: the labels of the tags, by their numbers.
        device: where answers and targets are.
    """

    def __init__(self, labels: Sequence[str], device: torch.device) -> None:
        self._begins, self._ends, self._types = (rule.to(device) for rule in _rules(tuple(labels)))
        self._counts = torch.zeros(3, dtype=torch.int64, device=device)

    def add(self, answer: Tensor, target: Tensor) -> None:
        """Counts tags int64 ``(N, L)``; targets may be ignored."""
        ignored = target == IGNORED
        # what counts moves to the front, in its order
        order = ignored.to(torch.int8).argsort(dim=1, stable=True)
        ignored = ignored.gather(1, order)
        found = [self._entities(tags.gather(1, order), ignored) for tags in (target, answer)]
        (ends, starts, types), (answered_ends, answered_starts, answered_types) = found
        same = ends & answered_ends & (starts == answered_starts) & (types == answered_types)
        self._counts += torch.stack([ends.sum(), answered_ends.sum(), same.sum()])

    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there is no entity at all."""
        there, answered, same = self._counts.tolist()
        return 2 * same / (there + answered) if there + answered else 0.0

    def _entities(self, tags: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each position whether an entity ends before it, where that begins, and its type."""
        outside = len(self._types) - 1
        padded = torch.nn.functional.pad(tags.masked_fill(ignored, outside), (1, 1), value=outside)
        before, here = padded[:, :-1], padded[:, 1:]
        positions = torch.arange(1, here.shape[1] + 1, device=tags.device)
        begun = (self._begins[before, here] * positions).cummax(1).values
        # An entity that ends before a position has begun before it.
        starts = torch.nn.functional.pad(begun[:, :-1], (1, 0))
        return self._ends[before, here], starts, self._types[before]


@cache
def _rules(labels: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Whether an entity begins, and ends, between each label and each; and the type of each label.

    Asked of seqeval once for all evaluations: it answers a pair of labels at a time.
    """
    from seqeval.metrics.sequence_labeling import end_of_chunk, start_of_chunk

    # The last label stands for the ends of sequences.
    parts = [_parts(label) for label in (*labels, OUTSIDE)]
    begins, ends = (
        torch.tensor([[rule(a[0], b[0], a[1], b[1]) for b in parts] for a in parts])
        for rule in (start_of_chunk, end_of_chunk)
    )
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for _, name in parts))}
    return begins, ends, torch.tensor([numbers[name] for _, name in parts])


def _parts(label: str) -> tuple[str, str]:
    """The two parts of a label, such as ``B`` and ``artist``, divided as seqeval does."""
    return label[0], label[1:].split("-", maxsplit=1)[-1] or "_"
