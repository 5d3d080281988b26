"""What is missing from examples, modalities and labels: whether their masks and domains say it rightly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.signature import Signature, Tagging
from workers.problems.split import Split


def needed(signature: Signature, task: str) -> tuple[str, ...]:
    """The inputs without which an example can have no label of this task."""
    kind = signature.tasks[task]
    return (signature.tagged_input(task),) if isinstance(kind, Tagging) else kind.needs


def check_masks(where: str, split: Split) -> None:
    """Check the names and the form of a split's masks, and of its domain.

    Args:
        where: the split in words, for the message ("problem 'mine', train").

    Raises:
        ProblemError: names the mask, what was expected and what came.
    """
    for part, masks, names in (
        ("present", split.present, split.inputs),
        ("labelled", split.labelled, split.targets),
    ):
        for name, mask in masks.items():
            if name not in names:
                raise ProblemError(f"{where}, {part}: expected names out of {sorted(names)}, got {name!r}")
            _check_one_each(f"{where}, {part} {name!r}", mask, torch.bool, len(split))
    if split.domain is not None:
        _check_one_each(f"{where}, domain", split.domain, torch.int64, len(split))
        if len(split) and int(split.domain.min()) < 0:  # that there are no examples is said elsewhere
            raise ProblemError(f"{where}, domain: expected numbers from 0 up, got {int(split.domain.min())}")


def check_missing(where: str, split: Split, to: Signature) -> None:
    """Check that the examples of a split go with its masks, which have the right form.

    Raises:
        ProblemError: an example has no modality, a label for an input that it lacks, or other numbers than
            zeros for a modality that it lacks; or nobody has a label for a task.
    """
    for name, there in split.present.items():
        if bool(split.inputs[name][~there].any()):
            raise ProblemError(f"{where}, input {name!r}: expected zeros where it is missing")
    for name, there in split.labelled.items():
        if not bool(there.any()):
            raise ProblemError(f"{where}, task {name!r}: expected at least one label, got none")
        target = split.targets[name]
        if target.is_floating_point() and not bool(target[~there].isfinite().all()):
            raise ProblemError(f"{where}, task {name!r}: expected finite numbers where there is no label")
    if set(split.present) == set(to.inputs):
        bare = ~torch.stack([*split.present.values()]).any(0)
        _refuse(f"{where}: expected at least one modality in each example", bare)
    for task in to.tasks:
        for name in set(needed(to, task)) & set(split.present):
            wrong = ~split.present[name]
            if task in split.labelled:
                wrong = wrong & split.labelled[task]
            _refuse(f"{where}, task {task!r}: expected no label where input {name!r} is missing", wrong)


def check_answerable(where: str, split: Split, to: Signature, tasks: Iterable[str]) -> None:
    """Check that examples have the inputs that tasks need, and at least one each.

    Raises:
        ProblemError: names the task and the input that is missing, from all or from some.
    """
    for task in tasks:
        for name in needed(to, task):
            if name not in split.inputs:
                raise ProblemError(f"{where}: task {task!r} needs the input {name!r}, which is not given")
            if name in split.present:
                _refuse(f"{where}, task {task!r}: expected input {name!r}", ~split.present[name])
    if set(split.present) == set(split.inputs):
        bare = ~torch.stack([*split.present.values()]).any(0)
        _refuse(f"{where}: expected at least one modality in each example", bare)


def check_train(where: str, train: Split) -> None:
    """Check that there is something to learn from for every input and every domain.

    Raises:
        ProblemError: nobody has an input, or the domains are numbered with gaps.
    """
    for name, there in train.present.items():
        if not bool(there.any()):
            raise ProblemError(f"{where}, input {name!r}: expected an example that has it, got none")
    if train.domain is not None:
        came = torch.unique(train.domain).tolist()
        if came != list(range(len(came))):
            raise ProblemError(f"{where}, domain: expected every number from 0, got {came}")


def _check_one_each(where: str, tensor: Tensor, dtype: torch.dtype, count: int) -> None:
    if tensor.dtype != dtype or tuple(tensor.shape) != (count,):
        came = f"{tensor.dtype} of shape {tuple(tensor.shape)}"
        raise ProblemError(f"{where}: expected {dtype} of shape ({count},), got {came}")


def _refuse(why: str, examples: Tensor) -> None:
    """Refuse the examples that a mask picks, if it picks any."""
    numbers = examples.nonzero().squeeze(1).tolist()
    if numbers:
        shown = ", ".join(map(str, numbers[:3])) + (", ..." if len(numbers) > 3 else "")
        raise ProblemError(f"{why}, got {len(numbers)} without (numbers {shown})")


def blanked(split: Split) -> Split:
    """The same examples with zeros for what they lack, inputs and targets."""
    return dataclasses.replace(
        split,
        inputs=_blanked(split.inputs, split.present),
        targets=_blanked(split.targets, split.labelled),
    )


def _blanked(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = dict(tensors)
    for name, there in masks.items():
        if not isinstance(tensors[name], Tensor):
            continue  # words, which become numbers later
        # not by multiplication: NaN times 0 is NaN
        kept[name] = tensors[name].masked_fill(~there.view(-1, *[1] * (tensors[name].ndim - 1)), 0)
    return kept


def plainest(split: Split) -> Split:
    """The same examples without the masks of what all have, and without a domain that all are of."""
    return dataclasses.replace(
        split,
        present={name: mask for name, mask in split.present.items() if not bool(mask.all())},
        labelled={name: mask for name, mask in split.labelled.items() if not bool(mask.all())},
    )
