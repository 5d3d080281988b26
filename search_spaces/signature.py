"""What a model must serve: named inputs (modalities) and named tasks, with their shapes and kinds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from search_spaces.errors import FormatError, SpaceError

if TYPE_CHECKING:
    import torch


def _check_positive(owner: object) -> None:
    """Refuse whole numbers below 1 in the fields that hold one."""
    for f in fields(owner):  # type: ignore[arg-type]
        value = getattr(owner, f.name)
        if f.type != "int":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpaceError(
                f"{type(owner).__name__}({f.name}=...): expected a whole number >= 1, got {value!r}"
            )


@dataclass(frozen=True)
class Input:
    """One modality a model receives; see its kinds `Image`, `Sequence`, `Tokens` and `Vector`."""

    def __post_init__(self) -> None:
        _check_positive(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        raise NotImplementedError

    def example(self, batch: int, device: str = "cpu") -> torch.Tensor:
        """A batch of zeros of this kind: float, ``(batch, *shape)``."""
        import torch

        return torch.zeros((batch, *self.shape), device=device)

    @property
    def num_values(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Image(Input):
    """Images: float tensors ``(N, channels, height, width)``."""

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)


@dataclass(frozen=True)
class Sequence(Input):
    """Series of feature vectors: float tensors ``(N, length, features)``."""

    length: int
    features: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)


@dataclass(frozen=True)
class Tokens(Input):
    """Texts as token numbers: int64 tensors ``(N, length)``, values in ``[0, vocabulary)``, 0 is padding."""

    length: int
    vocabulary: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    def example(self, batch: int, device: str = "cpu") -> torch.Tensor:
        import torch

        return torch.zeros((batch, *self.shape), dtype=torch.int64, device=device)


@dataclass(frozen=True)
class Vector(Input):
    """Feature vectors: float tensors ``(N, features)``."""

    features: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)


@dataclass(frozen=True)
class Task:
    """One thing a model must answer; see its kinds below."""

    def __post_init__(self) -> None:
        _check_positive(self)

    if TYPE_CHECKING:  # in a running program it would be taken for the default of a kind's field

        @property
        def outputs(self) -> int:
            """Numbers a head gives for one example; for one position of it, where it answers each."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the inputs that this task speaks of: a signature must have them."""
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
        if isinstance(self.labels, str) or not all(isinstance(label, str) for label in self.labels):
            raise SpaceError(f"Tagging(labels=...): expected names of tags, got {self.labels!r}")
        object.__setattr__(self, "labels", tuple(self.labels))
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
        features: size of the embeddings.
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
        discrete: one of ``outputs`` classes for each point: targets int64 ``(N, height, width)`` with -100
            ignored, a model answers logits. Else ``outputs`` real numbers: targets float, shaped as the answers.
    """

    outputs: int
    height: int
    width: int
    discrete: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.discrete, bool):
            raise SpaceError(f"DenseMap(discrete=...): expected True or False, got {self.discrete!r}")


def _plain(kind: Input | Task) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(kind).items()}


_KINDS: dict[str, type[Input] | type[Task]] = {
    kind.__name__: kind
    for kind in (
        *(Image, Sequence, Tokens, Vector),
        *(Classification, Regression, Tagging, Retrieval, Generation, DenseMap),
    )
}


@dataclass(frozen=True)
class Signature:
    """The inputs a model receives and the tasks it must serve, by name.

    Example:
        >>> Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})

    Raises:
        SpaceError: no input, no task, one of a wrong kind, or a task of an input that is not there.
    """

    inputs: Mapping[str, Input]
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, owner, members in (("input", Input, self.inputs), ("task", Task, self.tasks)):
            if not members:
                raise SpaceError(f"a signature needs at least one {kind}")
            for name, member in members.items():
                if not isinstance(name, str) or not name:
                    raise SpaceError(f"a signature's {kind} needs a name, got {name!r}")
                if not isinstance(member, owner):
                    raise SpaceError(f"{kind} {name!r}: expected a kind of {kind}, got {member!r}")
        object.__setattr__(self, "inputs", dict(self.inputs))
        object.__setattr__(self, "tasks", dict(self.tasks))
        for name, task in self.tasks.items():
            for needed in task.needs:
                if needed not in self.inputs:
                    raise SpaceError(
                        f"task {name!r} needs the input {needed!r}, the inputs are {', '.join(self.inputs)}"
                    )
            if isinstance(task, Tagging):
                self.tagged_input(name)

    def __hash__(self) -> int:
        return hash((frozenset(self.inputs.items()), frozenset(self.tasks.items())))

    def example(self, batch: int = 2, device: str = "cpu") -> dict[str, torch.Tensor]:
        """A batch of zeros for each input, by name."""
        return {name: kind.example(batch, device) for name, kind in self.inputs.items()}

    def tagged_input(self, task: str) -> str:
        """Name of the input whose positions a tagging task tags.

        Raises:
            SpaceError: it names none, or one without a length, and not exactly one input has a length.
        """
        kind = self.tasks[task]
        assert isinstance(kind, Tagging), f"{task!r} is no tagging task"
        long = [name for name, input in self.inputs.items() if isinstance(input, Sequence | Tokens)]
        if kind.input in long:
            return kind.input
        if kind.input is None and len(long) == 1:
            return long[0]
        raise SpaceError(
            f"task {task!r}: expected Tagging(input=...) to name the sequence or tokens that it tags, "
            f"got {kind.input!r}; inputs with a length: {', '.join(long) or 'none'}"
        )

    def only(self, inputs: Iterable[str] | None = None, tasks: Iterable[str] | None = None) -> Signature:
        """The same signature with fewer inputs, fewer tasks or fewer of both, in their order here.

        Args:
            inputs: names of those that stay; None: all.
            tasks: likewise. Must leave out the tasks that need an input which does not stay.

        Raises:
            SpaceError: a name that is not here, or a task that needs an input which does not stay.
        """
        kept = []
        for part, names, members in (("input", inputs, self.inputs), ("task", tasks, self.tasks)):
            wanted = list(members) if names is None else list(names)
            for name in wanted:
                if name not in members:
                    raise SpaceError(
                        f"only({part}s=...): there is no {part} {name!r}, but {', '.join(members)}"
                    )
            kept.append({name: member for name, member in members.items() if name in wanted})
        return Signature(*kept)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        return {
            part: {name: {"kind": type(kind).__name__, **_plain(kind)} for name, kind in members.items()}
            for part, members in (("inputs", self.inputs), ("tasks", self.tasks))
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Signature:
        """The signature that `to_dict` wrote.

        Raises:
            FormatError: the data do not describe one.
        """
        try:
            parts = {
                part: {
                    name: _KINDS[member["kind"]](**{k: v for k, v in member.items() if k != "kind"})
                    for name, member in data[part].items()
                }
                for part in ("inputs", "tasks")
            }
            return Signature(**parts)  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError, SpaceError) as error:
            raise FormatError(f"not a signature: {error!r} in {str(data)[:200]}") from error
