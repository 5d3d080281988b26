"""The kinds of task that a model can serve: what is asked, in which form it is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from search_spaces.arguments import AtLeast, Count, checked, is_whole
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100
"""The target of a position of `Tagging`, or a point of a discrete `DenseMap`, that does not count."""


@dataclass(frozen=True)
class Task:
    """One thing a model must answer; see its kinds below."""

    if TYPE_CHECKING:  # in a running program it would be taken for the default of a kind's field

        @property
        def outputs(self) -> int:
            """The number of values in an answer to one example; to one position, where it answers each."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the inputs that this task speaks of: a signature must have them."""
        return ()

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        """The shape of the means and scales that standardise its targets, to be broadcast against targets
        and answers; None: they are not real numbers."""
        return None

    @property
    def numeric(self) -> bool:
        """Whether its targets and answers are real numbers."""
        return self.scale_shape is not None


@dataclass(frozen=True)
class ClassTask(Task):
    """A task whose targets are classes that may have names.

    Attributes:
        classes: how many there are.
        labels: what they are called, in the order of their numbers: words, or whole numbers such as
            ``(2019, 2020)``; none where the numbers say it all.
    """

    classes: Count
    labels: tuple[str | int, ...] = ()

    def __post_init__(self) -> None:
        name = type(self).__name__
        found = tuple(_plain_label(name, label) for label in _listed(name, self.labels))
        if found and len(found) != self.classes:
            raise SpaceError(f"{name}(labels=...): expected {self.classes} labels, got {len(found)}")
        if len(set(found)) != len(found):
            raise SpaceError(f"{name}(labels=...): expected each label once, got {found!r:.200}")
        object.__setattr__(self, "labels", found)

    def __repr__(self) -> str:
        named = f", labels={self.labels!r}" if self.labels else ""
        return f"{type(self).__name__}(classes={self.classes}{named})"

    def _called(self, numbers: Tensor) -> list[str | int]:
        classes: list[int] = numbers.tolist()
        return [self.labels[number] for number in classes] if self.labels else list(classes)


@checked(SpaceError, elsewhere=("labels",))
@dataclass(frozen=True, repr=False)
class Classification(ClassTask):
    """One of ``classes``: targets int64 ``(N,)``, a model answers logits ``(N, classes)``.

    Attributes:
        labels: what the classes are called, in the order of their numbers: words, or whole numbers such as
            ``(2019, 2020)``; none where the numbers say it all.

    Example:
        >>> Classification(3, labels=("cat", "dog", "fish")).predicted(torch.tensor([[0.1, 0.2, 0.7]]))
        ['fish']
    """

    @property
    def outputs(self) -> int:
        return self.classes

    @checked(SpaceError)
    def predicted(self, answers: Tensor) -> list[str | int]:
        """Returns what a model's answers say: the label of the likeliest class of each example.

        Args:
            answers: logits or probabilities ``(N, classes)``.

        Returns:
            A label for each example; the number of its class where the classes have no labels.

        Raises:
            SpaceError: they are not of this shape.
        """
        _check_answers(answers, self.outputs)
        return self._called(answers.argmax(1))


@checked(SpaceError, elsewhere=("labels",))
@dataclass(frozen=True, repr=False)
class MultiLabel(ClassTask):
    """Any number of ``classes`` at once: targets float32 ``(N, classes)`` of 0 and 1, a model answers logits.

    Each class is a question of yes and no of its own (binary relevance; Tsoumakas & Katakis 2007).

    Attributes:
        labels: what the classes are called, as in `Classification`.

    Example:
        >>> MultiLabel(3, labels=("red", "round", "big")).predicted(torch.tensor([[2.0, -1.0, 0.5]]))
        [['red', 'big']]
    """

    @property
    def outputs(self) -> int:
        return self.classes

    @checked(SpaceError)
    def predicted(self, answers: Tensor) -> list[list[str | int]]:
        """Returns what a model's answers say: the labels whose probability is at least one half.

        Args:
            answers: logits ``(N, classes)``.

        Returns:
            The labels of each example, in their order; the numbers of its classes where they have none.

        Raises:
            SpaceError: they are not of this shape.
        """
        _check_answers(answers, self.outputs)
        names = self.labels or range(self.classes)
        rows: list[list[bool]] = (answers >= 0).tolist()
        return [[name for name, there in zip(names, row, strict=True) if there] for row in rows]


@checked(SpaceError, elsewhere=("labels",))
@dataclass(frozen=True, repr=False)
class Ordinal(ClassTask):
    """One of ``classes`` that have an order, such as grades: targets int64 ``(N,)``, from the lowest on.

    A model answers ``(N, classes - 1)``: the logit of each class but the highest that the example is above
    it. These are cumulative links with weights in common (Cao, Mirjalili & Raschka, Rank consistent ordinal
    regression for neural networks, 2020).

    Attributes:
        labels: what the classes are called, from the lowest to the highest, as in `Classification`.

    Example:
        >>> Ordinal(3, labels=("bad", "fair", "good")).predicted(torch.tensor([[1.5, -0.5]]))
        ['fair']
    """

    classes: Annotated[int, AtLeast(2)]

    @property
    def outputs(self) -> int:
        return self.classes - 1

    @checked(SpaceError)
    def predicted(self, answers: Tensor) -> list[str | int]:
        """Returns what a model's answers say: the label of the class that each example reaches.

        Args:
            answers: logits ``(N, classes - 1)``.

        Returns:
            A label for each example; the number of its class where the classes have no labels.

        Raises:
            SpaceError: they are not of this shape.
        """
        _check_answers(answers, self.outputs)
        return self._called(reached(answers))


def reached(answers: Tensor) -> Tensor:
    """Returns the classes int64 ``(N,)`` that answers ``(N, classes - 1)`` to an `Ordinal` say: how many of
    the others the example is above, by a probability of more than one half."""
    return (answers > 0).sum(1)


def _check_answers(answers: Tensor, outputs: int) -> None:
    if answers.ndim != 2 or answers.shape[1] != outputs:
        raise SpaceError(f"expected answers (N, {outputs}), got {tuple(answers.shape)}")


def _listed(kind: str, labels: object) -> tuple[object, ...]:
    """Several labels; a single word is none, though it has letters."""
    try:
        if isinstance(labels, Iterable) and not isinstance(labels, str):
            return tuple(labels)
    except TypeError:  # an array of no axes
        pass
    raise SpaceError(f"{kind}(labels=...): expected names, such as ('cat', 'dog'), got {labels!r:.80}")


def _plain_label(kind: str, label: object) -> str | int:
    """The label as JSON keeps it."""
    if isinstance(label, str) and label:
        return str(label)
    if is_whole(label):
        return int(label)
    raise SpaceError(
        f"{kind}(labels=...): expected words or whole numbers as names of classes, got {label!r:.80}"
    )


@checked(SpaceError)
@dataclass(frozen=True)
class Regression(Task):
    """``outputs`` real numbers: targets float ``(N, outputs)``, a model answers the same."""

    outputs: Count = 1

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.outputs,)


@checked(SpaceError)
@dataclass(frozen=True)
class CountRegression(Task):
    """``outputs`` counts of things: targets float ``(N, outputs)``, whole numbers of at least 0.

    A model answers the counts that are to be expected, which are above 0, by a Poisson regression with a
    logarithmic link (McCullagh & Nelder, Generalized Linear Models, 1989, chapter 6).
    """

    outputs: Count = 1

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (self.outputs,)


@checked(SpaceError, elsewhere=("quantiles",))
@dataclass(frozen=True)
class QuantileRegression(Task):
    """Quantiles of one real number: targets float ``(N, 1)``, a model answers ``(N, quantiles)``, ascending.

    Attributes:
        quantiles: the shares of the targets that are to lie below each answer, between 0 and 1 and ascending
            (Koenker & Bassett, Regression Quantiles, 1978).
    """

    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)

    def __post_init__(self) -> None:
        try:
            found = tuple(map(float, self.quantiles))
        except (TypeError, ValueError):  # nothing to go through, or no numbers
            found = ()
        ascending = all(low < high for low, high in zip((0.0, *found), (*found, 1.0), strict=True))
        if not found or not ascending:
            raise SpaceError(
                "QuantileRegression(quantiles=...): expected numbers between 0 and 1 in ascending order, "
                f"such as (0.1, 0.5, 0.9), got {self.quantiles!r:.80}"
            )
        object.__setattr__(self, "quantiles", found)

    @property
    def outputs(self) -> int:
        return len(self.quantiles)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        return (1,)


@checked(SpaceError, elsewhere=("labels",))
@dataclass(frozen=True)
class Tagging(Task):
    """One of ``tags`` per position: targets int64 ``(N, L)`` with -100 ignored; logits ``(N, L, tags)``.

    Attributes:
        labels: the tags' names in their order; such as ``"B-artist"``, ``"I-artist"`` and ``"O"``, by which
            whole entities are counted.
        input: the input whose positions are tagged; None: the only one with a length.
    """

    tags: Count
    labels: tuple[str, ...] = ()
    input: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _listed("Tagging", self.labels))
        if not all(isinstance(label, str) and label for label in self.labels):
            raise SpaceError(f"Tagging(labels=...): expected names of tags, got {self.labels!r}")
        if self.labels and len(self.labels) != self.tags:
            raise SpaceError(f"Tagging(labels=...): expected {self.tags} labels, got {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise SpaceError(f"Tagging(labels=...): expected each label once, got {self.labels!r}")

    @property
    def outputs(self) -> int:
        return self.tags

    @checked(SpaceError)
    def predicted(self, answers: Tensor) -> list[list[str | int]]:
        """Returns what a model's answers say: the label of the likeliest tag of each position.

        Args:
            answers: logits or probabilities ``(N, L, tags)``.

        Returns:
            The labels of each example; the numbers of its tags where they have no labels.

        Raises:
            SpaceError: they are not of this shape.
        """
        if answers.ndim != 3 or answers.shape[2] != self.tags:
            raise SpaceError(f"expected answers (N, L, {self.tags}), got {tuple(answers.shape)}")
        numbers: list[list[int]] = answers.argmax(2).tolist()
        return [[self.labels[number] if self.labels else number for number in row] for row in numbers]

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.input is None else (self.input,)


@checked(SpaceError)
@dataclass(frozen=True)
class Retrieval(Task):
    """Find the same item in another modality: targets int64 ``(N,)``, items of equal number match.

    A model answers ``(N, 2, features)``: embeddings of length 1, of the query and of the gallery.

    Attributes:
        query: the input that is asked with.
        gallery: the input that is searched.
        features: the number of features of an embedding.
    """

    query: str
    gallery: str
    features: Count = 64

    def __post_init__(self) -> None:
        if self.query == self.gallery:
            raise SpaceError(f"Retrieval(query=, gallery=): expected two inputs, got {self.query!r} twice")

    @property
    def outputs(self) -> int:
        return self.features

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.query, self.gallery)


@checked(SpaceError)
@dataclass(frozen=True)
class Generation(Task):
    """Texts of up to ``length`` tokens: targets int64 ``(N, length)`` in ``[0, vocabulary)``, 0 is padding.

    A model answers logits ``(N, length, vocabulary)``.
    """

    length: Count
    vocabulary: Count

    @property
    def outputs(self) -> int:
        return self.vocabulary


@checked(SpaceError)
@dataclass(frozen=True)
class DenseMap(Task):
    """An answer for each point of a map, in answers of shape ``(N, outputs, height, width)``.

    Attributes:
        discrete: whether each point has one of ``outputs`` classes: targets int64 ``(N, height, width)`` with
            -100 ignored, a model answers logits. Else ``outputs`` real numbers: float targets, shaped as
            answers.
    """

    outputs: Count
    height: Count
    width: Count
    discrete: bool = True

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        return None if self.discrete else (self.outputs, 1, 1)
