"""Features on their way through a network: which tensor made each of them, and which of its own it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

_MANY = 1 << 32

Index = Hashable
"""What an index along an axis stands for: equal ones mean the same in two networks."""


@dataclass
class Producer:
    """A tensor that makes features, along one of its axes.

    Attributes:
        name: the name of the tensor.
        count: the number of features that it makes.
        whole: whether they are features only all together, for something has taken them apart: then those of
            another number of them are others.
    """

    name: str
    count: int
    whole: bool = False


@dataclass(frozen=True)
class _Feature:
    producer: Producer
    index: tuple[int, ...]


@dataclass(frozen=True)
class _Beside:
    """A feature that stands beside those of other producers."""

    place: tuple[str, int]
    label: int


class Labels:
    """The labels of features: whole numbers, so that tensors of them can go where features go.

    Args:
        key_of: the function from the name of a tensor to its key.
    """

    def __init__(self, key_of: Callable[[str], str]) -> None:
        self._key_of = key_of
        self._all: list[_Feature | _Beside | None] = [None]  # by label; 0 is what no tensor has made
        self._joined: dict[int, int] = {}  # features that are one with another, whose meaning they have

    def make(self, producer: Producer, grid: Sequence[int]) -> Tensor:
        """Returns labels for the features of a producer, int64 ``(count,)``.

        Args:
            producer: the tensor that makes them.
            grid: how they stand, in the order of the axis; ``(count,)``: just one after another.
        """
        first = len(self._all)
        indices = torch.cartesian_prod(*map(torch.arange, grid)).view(producer.count, -1).tolist()
        self._all += [_Feature(producer, tuple(index)) for index in indices]
        return torch.arange(first, len(self._all))

    def beside(self, pieces: Sequence[Tensor]) -> list[Tensor]:
        """Returns the labels of features that are put beside each other: each says in which piece it is.

        A piece is known by the tensor that makes it, for where it stands depends on what there is before it.

        Args:
            pieces: the labels of each piece, int64 of any shape.
        """
        met: Counter[str] = Counter()
        made = []
        for piece in pieces:
            known, places = piece.unique(return_inverse=True)  # type: ignore[no-untyped-call]
            source = self._source(int(known[-1]))
            first = len(self._all)
            self._all += [_Beside((source, met[source]), label) for label in known.tolist()]
            met[source] += 1
            made.append(torch.arange(first, len(self._all))[places])
        return made

    def _source(self, label: int) -> str:
        """The key of the tensor that has made a feature; "" for what nobody has made."""
        one = self._all[label]
        while isinstance(one, _Beside):
            one = self._all[one.label]
        return "" if one is None else self._key_of(one.producer.name)

    def join(self, features: Tensor, others: Tensor) -> None:
        """Makes features one with others that they are added to, or multiplied with, one by one.

        Those that are just numbered take the meaning of those that stand beside others.

        Args:
            features, others: the labels of both, of one shape.
        """
        for one, other_one in distinct_pairs(features, others):
            first, second = self._of(one), self._of(other_one)
            mine, other = self._all[first], self._all[second]
            if first == second or mine is None or other is None:
                continue
            if isinstance(mine, _Feature) and isinstance(other, _Feature):
                if mine.producer is not other.producer:
                    self._joined[max(first, second)] = min(first, second)
            elif isinstance(mine, _Feature):
                self._joined[first] = second
            elif isinstance(other, _Feature):
                self._joined[second] = first

    def _of(self, label: int) -> int:
        """The label whose meaning this one has."""
        while label in self._joined:
            label = self._joined[label]
        return label

    def same(self, first: int, second: int) -> bool:
        """Whether two labels mean the same to who takes the features."""
        first, second = self._of(first), self._of(second)
        if first == second:
            return True
        one, other = self._all[first], self._all[second]
        if isinstance(one, _Beside) and isinstance(other, _Beside):
            return one.place == other.place and self.same(one.label, other.label)
        return isinstance(one, _Feature) and isinstance(other, _Feature) and one.index == other.index

    def take_apart(self, labels: Tensor) -> None:
        """Notes that something has taken these features apart."""
        for label in labels.unique().tolist():  # type: ignore[no-untyped-call]
            one = self._all[self._of(label)]
            while isinstance(one, _Beside):
                one = self._all[self._of(one.label)]
            if one is not None and len(one.index) == 1:  # a grid says how they may be
                one.producer.whole = True

    def along(self, axis: Sequence[int]) -> tuple[Index, ...]:
        """Returns what the indices along an axis stand for, of which these are the labels.

        A label that comes several times is one feature at several positions, as behind a flatten.
        """
        total, met = Counter(axis), Counter[int]()
        found: list[Index] = []
        for label in axis:
            index = self._index(label)
            if total[label] > 1:
                index = (index, "at", met[label], "of", total[label])
                met[label] += 1
            found.append(index)
        return tuple(found)

    def _index(self, label: int) -> Index:
        one = self._all[self._of(label)]
        if one is None:
            return "nothing"
        if isinstance(one, _Beside):
            return (*one.place, self._index(one.label))
        return unlike(one.producer.count, *one.index) if one.producer.whole else one.index


def distinct_pairs(first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    """Returns the different pairs of numbers at the same places, in order; of whole numbers below 2^32."""
    # as one number each: to find different columns takes torch ten times as long
    pairs = (first * _MANY + second).unique()  # type: ignore[no-untyped-call]
    return [*zip((pairs // _MANY).tolist(), (pairs % _MANY).tolist(), strict=True)]


def unlike(size: int, *index: int) -> Index:
    """Returns what an index stands for that means something else wherever there is another number of them."""
    return ("of", size, *index)


def is_unlike(index: Index) -> bool:
    """Whether an index means something else wherever there is another number of them."""
    return isinstance(index, tuple) and index[:1] == ("of",)


@dataclass
class AxisMap:
    """What was seen of an axis: which label stands with each of its indices, if it is always the same."""

    size: int
    labels: dict[int, int] = field(default_factory=dict)
    mixed: bool = False

    def note(self, pairs: Iterable[tuple[int, int]], same: Callable[[int, int], bool]) -> None:
        """Takes in pairs of index and label.

        Args:
            pairs: the pairs.
            same: the function that says whether two labels mean the same.
        """
        if self.mixed:
            return
        for index, label in pairs:
            before = self.labels.setdefault(index, label)
            if before != label and not same(before, label):
                self.mixed = True
                return

    @property
    def known(self) -> list[int] | None:
        """The label of each index; None: no single one, or they say nothing (all are one and the same)."""
        if self.mixed or len(self.labels) < self.size:
            return None
        found = [self.labels[index] for index in range(self.size)]
        return found if self.size == 1 or len(set(found)) > 1 else None
