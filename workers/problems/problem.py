"""A problem: a signature with data to train, validate and test on; and how to make one of your own data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image, Regression, Sequence, Signature, Tokens, Vector
from workers.metrics import default_objective, metric_names
from workers.problems.checks import check_split, infer_kinds
from workers.problems.split import Split
from workers.problems.splitting import stratified_parts

if TYPE_CHECKING:
    from torch.utils.data import Dataset

Arrays = Any
"""A tensor, a NumPy array or a nested list; or a mapping from name to one of these."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a network must learn: a signature, and data that fit it.

    Attributes:
        name: short, for the store and the reports.
        signature: the inputs that a network receives and the tasks that it must serve.
        train: what networks are trained on.
        validation: what they are compared on, while training and after.
        test: for reporting only; nothing that proposes, stops or ranks sees it.
        description: one sentence: what the data are and where they come from.
        options: how a problem of the catalog was loaded, so that `workers.problems.load` finds it again.

    Raises:
        ProblemError: a split does not fit the signature; names the tensor, what was expected, what came.
    """

    name: str
    signature: Signature
    train: Split
    validation: Split
    test: Split
    description: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            check_split(f"problem {self.name!r}, {part}", split.inputs, split.targets, self.signature)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what is measured; see `workers.metrics`."""
        return metric_names(self.signature.tasks)

    @property
    def objective(self) -> tuple[str, str]:
        """What a search optimises unless told otherwise: a metric, and ``maximize`` or ``minimize``."""
        return default_objective(self.signature.tasks)

    def to(self, device: torch.device | str) -> Problem:
        """The same problem with its data on another device."""
        moved = {part: getattr(self, part).to(device) for part in ("train", "validation", "test")}
        return dataclasses.replace(self, **moved)

    @staticmethod
    def from_tensors(
        name: str,
        train: tuple[Arrays, Arrays],
        validation: tuple[Arrays, Arrays] | float = 0.2,
        test: tuple[Arrays, Arrays] | float = 0.2,
        *,
        signature: Signature | None = None,
        seed: int = 0,
        description: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Problem:
        """A problem of tensors (or NumPy arrays) that are there already.

        Args:
            name: of the problem.
            train: ``(inputs, targets)``, each one tensor, or a mapping from name to tensor.
            validation: the same; or the share of ``train`` that is held out for it.
            test: the same; or the share of ``train`` that is held out for it.
            signature: what the tensors are; left out, it is read off their shapes and dtypes, with the
                classes that occur in the targets.
            seed: of the division, when there is one (each class in equal proportion in every part).
            description: one sentence for the reports.
            options: how it was loaded.

        Raises:
            ProblemError: the data do not fit the signature, or each other.

        Example:
            >>> problem = Problem.from_tensors("mine", (images, labels), validation=0.1, test=0.1)
        """
        names = _lone_names(signature)
        parts = {"train": _split(f"problem {name!r}, train", train, names)}
        shares = {}
        for part, given in (("validation", validation), ("test", test)):
            if isinstance(given, int | float):
                shares[part] = float(given)
            else:
                parts[part] = _split(f"problem {name!r}, {part}", given, names)
        if shares:
            parts |= _divide(f"problem {name!r}", parts["train"], shares, seed)
        if signature is None:
            signature = _inferred(parts)
        parts = {part: _renamed(split, signature) for part, split in parts.items()}
        return Problem(name, signature, **parts, description=description, options=dict(options or {}))

    @staticmethod
    def from_dataset(
        name: str,
        train: Dataset[Any],
        validation: Dataset[Any] | float = 0.2,
        test: Dataset[Any] | float = 0.2,
        *,
        signature: Signature | None = None,
        seed: int = 0,
        description: str = "",
    ) -> Problem:
        """A problem of torch data sets, each item ``(inputs, targets)``; read once into tensors.

        Each of the two is a tensor, an array or a number, or a mapping from name to these; every item must
        have the same shapes. What the data set does at random to an item (augmentation) is fixed by reading
        it: leave that to the recipe. Other arguments as in `from_tensors`.

        Raises:
            ProblemError: an item is no such pair or differs in shape; or as in `from_tensors`.
        """
        read: dict[str, Any] = {
            part: given if isinstance(given, int | float) else _read(f"problem {name!r}, {part}", given)
            for part, given in (("train", train), ("validation", validation), ("test", test))
        }
        return Problem.from_tensors(name, **read, signature=signature, seed=seed, description=description)


def _lone_names(signature: Signature | None) -> tuple[str | None, str | None]:
    """The name of the only input and of the only task, where there is one only."""
    if signature is None:
        return None, None
    inputs, tasks = list(signature.inputs), list(signature.tasks)
    return inputs[0] if len(inputs) == 1 else None, tasks[0] if len(tasks) == 1 else None


_UNNAMED = ""


def _split(where: str, given: Any, names: tuple[str | None, str | None]) -> Split:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ProblemError(f"{where}: expected a pair (inputs, targets), got {type(given).__name__}")
    inputs, targets = (
        {str(key): _tensor(f"{where}, {part} {key!r}", value, part) for key, value in side.items()}
        if isinstance(side, Mapping)
        else {name or _UNNAMED: _tensor(f"{where}, {part}", side, part)}
        for part, side, name in zip(("input", "task"), given, names, strict=True)
    )
    # A regression's targets often come as (N,): one number each.
    for key, target in targets.items():
        if target.is_floating_point() and target.ndim == 1:
            targets[key] = target.unsqueeze(1)
    return Split(inputs, targets)


def _tensor(where: str, value: Any, part: str) -> Tensor:
    """``value`` on the CPU: float32 for any float, int64 for whole numbers (an input of bytes stays one)."""
    try:
        tensor = torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        came = type(value).__name__
        raise ProblemError(f"{where}: expected a tensor or an array, got {came}: {error}") from error
    if tensor.is_floating_point():
        return tensor.float()
    # Bytes as an input are pixels that somebody forgot to scale: the check says so.
    if part == "task" or tensor.dtype in (torch.int16, torch.int32):
        return tensor.long()
    return tensor


def _divide(where: str, split: Split, shares: dict[str, float], seed: int) -> dict[str, Split]:
    total = sum(shares.values())
    if min(shares.values()) <= 0 or total >= 1:
        raise ProblemError(f"{where}: expected shares above 0 that leave something to train on, got {shares}")
    lengths = {len(tensor) for tensor in (*split.inputs.values(), *split.targets.values())}
    if len(lengths) != 1:
        raise ProblemError(f"{where}: expected as many targets as inputs, got lengths {sorted(lengths)}")
    classes = torch.zeros(len(split), dtype=torch.int64)
    for target in split.targets.values():
        if target.dtype == torch.int64 and target.ndim == 1:
            classes = target
            break
    parts = stratified_parts(classes, list(shares.values()), seed)
    if not parts or not len(parts[-1]):
        raise ProblemError(f"{where}: expected examples enough to divide by {shares}, got {len(split)}")
    *held, rest = parts
    return {"train": split.select(rest)} | {
        part: split.select(indices) for part, indices in zip(shares, held, strict=True)
    }


def _inferred(parts: Mapping[str, Split]) -> Signature:
    """The signature that all splits together suggest: a class may be missing from one of them."""
    splits = list(parts.values())
    try:
        inputs = {name: torch.cat([s.inputs[name] for s in splits]) for name in splits[0].inputs}
        targets = {name: torch.cat([s.targets[name] for s in splits]) for name in splits[0].targets}
    except (KeyError, RuntimeError) as error:
        raise ProblemError(f"expected the same names and shapes in every split, got {error}") from error
    kinds, tasks = infer_kinds(inputs, targets)
    names = {Image: "image", Sequence: "sequence", Vector: "vector", Tokens: "tokens"}
    return Signature(
        {name or names[type(kind)]: kind for name, kind in kinds.items()},
        {name or _task_name(task): task for name, task in tasks.items()},
    )


def _task_name(task: object) -> str:
    if isinstance(task, Classification):
        return "label"
    return "value" if isinstance(task, Regression) else "tags"


def _renamed(split: Split, signature: Signature) -> Split:
    """Lone tensors under the names of the signature."""
    inputs, task = _lone_names(signature)
    return Split(
        {name or inputs or _UNNAMED: tensor for name, tensor in split.inputs.items()},
        {name or task or _UNNAMED: tensor for name, tensor in split.targets.items()},
    )


def _read(where: str, dataset: Dataset[Any]) -> tuple[Any, Any]:
    """Every item of a data set, stacked."""
    from torch.utils.data import default_collate

    length = len(dataset)  # type: ignore[arg-type]
    if not length:
        raise ProblemError(f"{where}: expected at least one example, got an empty data set")
    items = []
    for index in range(length):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            came = type(item).__name__
            raise ProblemError(f"{where}[{index}]: expected a pair (inputs, targets), got {came}")
        items.append(tuple(item))
    try:
        inputs, targets = default_collate(items)
    except (TypeError, RuntimeError, KeyError) as error:
        raise ProblemError(
            f"{where}: expected tensors, arrays or numbers of the same shape in every item: {error}"
        ) from error
    return inputs, targets
