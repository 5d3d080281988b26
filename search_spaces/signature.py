"""What a model must serve: named inputs (modalities) and named tasks, with their shapes and kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from search_spaces.arguments import Whole, checked
from search_spaces.errors import FormatError, SpaceError
from search_spaces.inputs import Image, Input, Sequence, TabularRow, Tokens, Vector
from search_spaces.tasks import (
    Classification,
    ClassTask,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Tagging,
    Task,
)

if TYPE_CHECKING:
    import torch

__all__ = [
    "Classification",
    "CountRegression",
    "DenseMap",
    "Generation",
    "Image",
    "Input",
    "MultiLabel",
    "Ordinal",
    "QuantileRegression",
    "Regression",
    "Retrieval",
    "Sequence",
    "Signature",
    "TabularRow",
    "Tagging",
    "Task",
    "Tokens",
    "Vector",
]

_KINDS: dict[str, type[Input] | type[Task]] = {
    "Image": Image,
    "Sequence": Sequence,
    "Tokens": Tokens,
    "Vector": Vector,
    "TabularRow": TabularRow,
    "Classification": Classification,
    "MultiLabel": MultiLabel,
    "Ordinal": Ordinal,
    "Regression": Regression,
    "CountRegression": CountRegression,
    "QuantileRegression": QuantileRegression,
    "Tagging": Tagging,
    "Retrieval": Retrieval,
    "Generation": Generation,
    "DenseMap": DenseMap,
}
"""The kinds by the names that stored signatures know them by."""

_NAMES = {kind: name for name, kind in _KINDS.items()}


def _name(kind: Input | Task) -> str:
    """The stored name of a kind; that of its class where it is none of ours, which `from_dict` refuses."""
    return _NAMES.get(type(kind), type(kind).__name__)


def _plain(kind: Input | Task) -> dict[str, Any]:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(kind).items()}
    if isinstance(kind, ClassTask) and not kind.labels:
        del plain["labels"]  # classes without names are written as they were before classes could have any
    if isinstance(kind, Sequence) and not kind.padded:
        del plain["padded"]  # so are series that all have one length
    return plain


def _check_is_mapping(kind: str, members: object) -> None:
    if not isinstance(members, Mapping):
        example = "{'image': Image(1, 28, 28)}" if kind == "input" else "{'label': Classification(10)}"
        raise SpaceError(
            f"a signature's {kind}s: expected a mapping from name to kind, such as {example}, "
            f"got {members!r:.80}"
        )


@checked(SpaceError, elsewhere=("inputs", "tasks"))
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
            _check_is_mapping(kind, members)
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

    @checked(SpaceError)
    def example(self, batch: Whole = 2, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """Returns a batch of zeros for each input, by name.

        Raises:
            SpaceError: there is no such device, or no room on it.
        """
        return {name: kind.example(batch, device) for name, kind in self.inputs.items()}

    @checked(SpaceError)
    def tagged_input(self, task: str) -> str:
        """Returns the name of the input whose positions a tagging task tags.

        Raises:
            SpaceError: it names none, or one without a length, and not exactly one input has a length; or
                there is no such task.
        """
        kind = self.tasks.get(task)
        if not isinstance(kind, Tagging):
            raise SpaceError(f"expected a task of tagging, got {task!r:.80}: {kind}")
        long = [name for name, input in self.inputs.items() if isinstance(input, Sequence | Tokens)]
        if kind.input in long:
            return kind.input
        if kind.input is None and len(long) == 1:
            return long[0]
        raise SpaceError(
            f"task {task!r}: expected Tagging(input=...) to name the sequence or tokens that it tags, "
            f"got {kind.input!r}; inputs with a length: {', '.join(long) or 'none'}"
        )

    @checked(SpaceError, only=())
    def only(self, inputs: Iterable[str] | None = None, tasks: Iterable[str] | None = None) -> Signature:
        """Returns the same signature with fewer inputs, fewer tasks or fewer of both, in their order here.

        Args:
            inputs: the names of those that stay; None: all.
            tasks: the names of those that stay; None: all. None may need an input that does not stay.

        Raises:
            SpaceError: a name that is not here, or a task that needs an input which does not stay.
        """
        kept = []
        for part, names, members in (("input", inputs, self.inputs), ("task", tasks, self.tasks)):
            if isinstance(names, str) or not isinstance(names, Iterable | None):
                raise SpaceError(
                    f"only({part}s=...): expected a list of names, such as {part}s={list(members)[:1]}, "
                    f"got {names!r:.80}"
                )
            wanted = list(members) if names is None else list(names)
            for name in wanted:
                if not isinstance(name, str) or name not in members:
                    raise SpaceError(
                        f"only({part}s=...): there is no {part} {name!r:.80}, but {', '.join(members)}"
                    )
            kept.append({name: member for name, member in members.items() if name in wanted})
        return Signature(*kept)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON; `from_dict` reads it back."""
        return {
            part: {name: {"kind": _name(kind), **_plain(kind)} for name, kind in members.items()}
            for part, members in (("inputs", self.inputs), ("tasks", self.tasks))
        }

    @staticmethod
    @checked(FormatError)
    def from_dict(data: Mapping[str, Any]) -> Signature:
        """Reads the signature that `to_dict` wrote.

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
