"""What a model must serve: named inputs (modalities) and named tasks, with their shapes and kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from search_spaces.errors import FormatError, SpaceError

if TYPE_CHECKING:
    import torch


def _check_positive(owner: object) -> None:
    for f in fields(owner):  # type: ignore[arg-type]
        value = getattr(owner, f.name)
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
    """One thing a model must answer; see its kinds `Classification`, `Regression` and `Tagging`."""

    def __post_init__(self) -> None:
        _check_positive(self)

    @property
    def outputs(self) -> int:
        """Numbers a head gives for one example (for one position, when tagging)."""
        raise NotImplementedError


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
    """One of ``tags`` per position: targets int64 ``(N, L)`` with -100 ignored; logits ``(N, L, tags)``."""

    tags: int

    @property
    def outputs(self) -> int:
        return self.tags


_KINDS: dict[str, type[Input] | type[Task]] = {
    kind.__name__: kind for kind in (Image, Sequence, Tokens, Vector, Classification, Regression, Tagging)
}


@dataclass(frozen=True)
class Signature:
    """The inputs a model receives and the tasks it must serve, by name.

    Example:
        >>> Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})

    Raises:
        SpaceError: no input, no task, or one of a wrong kind.
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

    def __hash__(self) -> int:
        return hash((frozenset(self.inputs.items()), frozenset(self.tasks.items())))

    def example(self, batch: int = 2, device: str = "cpu") -> dict[str, torch.Tensor]:
        """A batch of zeros for each input, by name."""
        return {name: kind.example(batch, device) for name, kind in self.inputs.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        return {
            part: {name: {"kind": type(kind).__name__, **asdict(kind)} for name, kind in members.items()}
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
