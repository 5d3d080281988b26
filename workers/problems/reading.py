"""Reading people's own data into splits: from tensors, arrays and torch data sets; dividing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from search_spaces.errors import ProblemError
from search_spaces.inputs import Image, Sequence, Tokens, Vector
from search_spaces.signature import Signature
from search_spaces.tasks import Classification, DenseMap, Generation, Regression, Tagging
from workers.problems.checks import check_lengths, infer_kinds
from workers.problems.missing import blanked, check_masks
from workers.problems.split import Split
from workers.problems.splitting import stratified_parts

if TYPE_CHECKING:
    from torch.utils.data import Dataset

Arrays = Any
"""A tensor, a NumPy array or a nested list; or a mapping from name to one of these."""

_UNNAMED = ""
_NAMES: dict[type, str] = {
    Image: "image",
    Sequence: "sequence",
    Vector: "vector",
    Tokens: "tokens",
    Classification: "label",
    Regression: "value",
    Tagging: "tags",
    Generation: "text",
    DenseMap: "map",
}
"""What a lone input or task is called, by its kind."""


def split_of(where: str, given: Any, signature: Signature | None) -> Split:
    """A split on the CPU of a pair ``(inputs, targets)``, or of a split; zeros for what its examples lack.

    Raises:
        ProblemError: it is neither, or holds what is no tensor.
    """
    if isinstance(given, Split):
        split = Split(
            _tensors(where, given.inputs, "input"),
            _tensors(where, given.targets, "task"),
            _tensors(where, given.present, "present"),
            _tensors(where, given.labelled, "labelled"),
            None if given.domain is None else _tensor(f"{where}, domain", given.domain, "domain"),
        )
    elif isinstance(given, tuple | list) and len(given) == 2:
        inputs, targets = (
            _tensors(where, side if isinstance(side, Mapping) else {name or _UNNAMED: side}, part)
            for part, side, name in zip(("input", "task"), given, _lone_names(signature), strict=True)
        )
        split = Split(inputs, targets)
    else:
        came = type(given).__name__
        raise ProblemError(f"{where}: expected a pair (inputs, targets) or a Split, got {came}")
    # A regression's targets often come as (N,): one number each.
    for key, target in split.targets.items():
        if target.is_floating_point() and target.ndim == 1:
            split.targets[key] = target.unsqueeze(1)
    check_lengths(where, split)
    check_masks(where, split)
    return blanked(split)


def _tensors(where: str, given: Mapping[str, Any], part: str) -> dict[str, Tensor]:
    return {str(name): _tensor(f"{where}, {part} {name!r}", value, part) for name, value in given.items()}


def _tensor(where: str, value: Any, part: str) -> Tensor:
    """``value`` on the CPU: float32 for any float, int64 for whole numbers (an input of bytes stays one).

    Masks stay what they are.
    """
    try:
        tensor = torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        came = type(value).__name__
        raise ProblemError(f"{where}: expected a tensor or an array, got {came}: {error}") from error
    if tensor.is_floating_point():
        return tensor.float()
    # Bytes as an input are pixels that somebody forgot to scale: the check says so.
    if part in ("task", "domain") or tensor.dtype in (torch.int16, torch.int32):
        return tensor.long()
    return tensor


def divided(where: str, split: Split, shares: dict[str, float], seed: int) -> dict[str, Split]:
    """Parts of a split: those that have shares, and ``train``, the rest.

    Each class of the first classification is in equal proportion in every part; so are those of it without a
    label, and the domains.

    Raises:
        ProblemError: shares that leave nothing, or too few examples.
    """
    total = sum(shares.values())
    if min(shares.values()) <= 0 or total >= 1:
        raise ProblemError(f"{where}: expected shares above 0 that leave something to train on, got {shares}")
    parts = stratified_parts(_strata(split), list(shares.values()), seed)
    if not parts or not len(parts[-1]):
        raise ProblemError(f"{where}: expected examples enough to divide by {shares}, got {len(split)}")
    *held, rest = parts
    return {"train": split.select(rest)} | {
        part: split.select(indices) for part, indices in zip(shares, held, strict=True)
    }


def _strata(split: Split) -> Tensor:
    """A number for each example, equal where class and domain are."""
    classes = torch.zeros(len(split), dtype=torch.int64)
    for name, target in split.targets.items():
        if target.dtype == torch.int64 and target.ndim == 1:
            classes = target.masked_fill(~split.labelled[name], -1) if name in split.labelled else target
            break
    if split.domain is None:
        return classes
    strata: Tensor = torch.unique(torch.stack([classes, split.domain]), dim=1, return_inverse=True)[1]
    return strata


def inferred(parts: Mapping[str, Split]) -> Signature:
    """The signature that all splits together suggest: a class may be missing from one of them.

    Raises:
        ProblemError: their names, shapes or dtypes suggest none.
    """
    splits = list(parts.values())
    try:
        inputs = {name: torch.cat([s.inputs[name] for s in splits]) for name in splits[0].inputs}
        targets = {name: torch.cat([s.targets[name] for s in splits]) for name in splits[0].targets}
    except (KeyError, RuntimeError) as error:
        raise ProblemError(f"expected the same names and shapes in every split, got {error}") from error
    kinds, tasks = infer_kinds(inputs, targets)
    return Signature(
        {name or _NAMES[type(kind)]: kind for name, kind in kinds.items()},
        {name or _NAMES[type(task)]: task for name, task in tasks.items()},
    )


def named(split: Split, signature: Signature) -> Split:
    """The same examples, lone tensors under the names of the signature."""
    inputs, task = _lone_names(signature)
    return dataclasses.replace(
        split,
        inputs={name or inputs or _UNNAMED: tensor for name, tensor in split.inputs.items()},
        targets={name or task or _UNNAMED: tensor for name, tensor in split.targets.items()},
    )


def _lone_names(signature: Signature | None) -> tuple[str | None, str | None]:
    """The name of the only input and of the only task, where there is one only."""
    if signature is None:
        return None, None
    inputs, tasks = list(signature.inputs), list(signature.tasks)
    return inputs[0] if len(inputs) == 1 else None, tasks[0] if len(tasks) == 1 else None


def read(where: str, dataset: Dataset[Any]) -> Split:
    """Every item of a torch data set, stacked; what a mapping leaves out is missing from its example.

    Raises:
        ProblemError: an item is not what it should be, or differs in shape.
    """
    length = len(dataset)  # type: ignore[arg-type]
    if not length:
        raise ProblemError(f"{where}: expected at least one example, got an empty data set")
    items = [_item(f"{where}[{index}]", dataset[index]) for index in range(length)]
    (inputs, present), (targets, labelled) = (
        _stacked(where, [side if isinstance(side, Mapping) else {_UNNAMED: side} for side in sides])
        for sides in zip(*(item[:2] for item in items), strict=True)
    )
    domains = [item[2] for item in items if len(item) == 3]
    if not domains:
        return Split(inputs, targets, present, labelled)
    if len(domains) < length:
        raise ProblemError(f"{where}: expected a domain in every item, got {len(domains)} in {length}")
    return Split(inputs, targets, present, labelled, torch.as_tensor(domains))


def _item(where: str, item: Any) -> tuple[Any, ...]:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        came = type(item).__name__
        raise ProblemError(f"{where}: expected a pair (inputs, targets), got {came}")
    return tuple(item)


def _stacked(where: str, rows: list[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Tensors by name, zeros where a row leaves the name out, and masks of the names that some leave out."""
    whole, masks = {}, {}
    for name in dict.fromkeys(name for row in rows for name in row):
        there = torch.tensor([name in row for row in rows])
        try:
            stacked = default_collate([row[name] for row in rows if name in row])
        except (TypeError, RuntimeError, KeyError) as error:
            raise ProblemError(
                f"{where}: expected tensors, arrays or numbers of the same shape in every item: {error}"
            ) from error
        if bool(there.all()):
            whole[name] = stacked
        else:
            whole[name] = stacked.new_zeros((len(rows), *stacked.shape[1:]))
            whole[name][there] = stacked
            masks[name] = there
    return whole, masks
