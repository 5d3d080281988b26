"""The kinds of task that a model can serve: what is asked, in which form it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.errors import SpaceError
from search_spaces.inputs import check_positive

IGNORED = -100
"""The target of a position of `Tagging`, or a point of a discrete `DenseMap`, that does not count."""


@dataclass(frozen=True)
class Task:
    """One thing a model must answer; see its kinds below."""

    def __post_init__(self) -> None:
        check_positive(self)

    if TYPE_CHECKING:  # in a running program it would be taken for the default of a kind's field

        @property
        def outputs(self) -> int:
            """The number of values in an answer to one example; to one position, where it answers each."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the inputs that this task speaks of: a signature must have them."""
        return ()


@dataclass(frozen=True)
class Classification(Task):
    """One of ``classes``: targets int64 ``(N,)``, a model answers logits ``(N, classes)``."""

    classes: int

    @property
    def outputs(self) -> int:
        return self.classes


@dataclass(frozen=True)
class Regression(Task):
    """``outputs`` real numbers: targets float ``(N, outputs)``, a model answers the same."""

    outputs: int = 1


@dataclass(frozen=True)
class Tagging(Task):
    """One of ``tags`` per position: targets int64 ``(N, L)`` with -100 ignored; logits ``(N, L, tags)``.

    Attributes:
        labels: the tags' names in their order; such as ``"B-artist"``, ``"I-artist"`` and ``"O"``, by which
            whole entities are counted.
        input: the input whose positions are tagged; None: the only one with a length.
    """

    tags: int
    labels: tuple[str, ...] = ()
    input: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", tuple(self.labels))
        if not all(isinstance(label, str) and label for label in self.labels):
            raise SpaceError(f"Tagging(labels=...): expected names of tags, got {self.labels!r}")
        if self.labels and len(self.labels) != self.tags:
            raise SpaceError(f"Tagging(labels=...): expected {self.tags} labels, got {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise SpaceError(f"Tagging(labels=...): expected each label once, got {self.labels!r}")

    @property
    def outputs(self) -> int:
        return self.tags

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.input is None else (self.input,)


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
    features: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.query == self.gallery:
            raise SpaceError(f"Retrieval(query=, gallery=): expected two inputs, got {self.query!r} twice")

    @property
    def outputs(self) -> int:
        return self.features

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.query, self.gallery)


@dataclass(frozen=True)
class Generation(Task):
    """Texts of up to ``length`` tokens: targets int64 ``(N, length)`` in ``[0, vocabulary)``, 0 is padding.

    A model answers logits ``(N, length, vocabulary)``.
    """

    length: int
    vocabulary: int

    @property
    def outputs(self) -> int:
        return self.vocabulary


@dataclass(frozen=True)
class DenseMap(Task):
    """An answer for each point of a map, in answers of shape ``(N, outputs, height, width)``.

    Attributes:
        discrete: whether each point has one of ``outputs`` classes: targets int64 ``(N, height, width)`` with
            -100 ignored, a model answers logits. Else ``outputs`` real numbers: float targets, shaped as
            answers.
    """

    outputs: int
    height: int
    width: int
    discrete: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.discrete, bool):
            raise SpaceError(f"DenseMap(discrete=...): expected True or False, got {self.discrete!r}")
