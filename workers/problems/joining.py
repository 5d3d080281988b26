"""Several data sets as one problem: each example has the inputs and the labels of the set it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.signature import Input, Signature, Tagging, Task
from workers.problems.missing import plainest
from workers.problems.split import Split


def joined_signature(where: str, signatures: Sequence[Signature]) -> Signature:
    """Returns a signature of all inputs and all tasks of several.

    Raises:
        ProblemError: two of them mean different kinds by one name.
    """
    inputs: dict[str, Input] = {}
    tasks: dict[str, Task] = {}
    for signature in signatures:
        _unite(f"{where}, input", inputs, signature.inputs)
        # Which input is tagged goes without saying in the one signature, but not among the other's inputs.
        _unite(
            f"{where}, task",
            tasks,
            {
                name: dataclasses.replace(task, input=signature.tagged_input(name))
                if isinstance(task, Tagging)
                else task
                for name, task in signature.tasks.items()
            },
        )
    return Signature(inputs, tasks)


def _unite(where: str, known: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, kind in more.items():
        if known.setdefault(name, kind) != kind:
            raise ProblemError(
                f"{where} {name!r}: expected the same kind in all, got {known[name]} and {kind}"
            )


def joined(splits: Sequence[Split], counts: Sequence[int]) -> Split:
    """Returns the examples of several splits, one split after the other.

    Args:
        splits: a split for each source.
        counts: how many domains each source has; they are numbered on from source to source.
    """
    inputs, present = _stacked([(len(split), split.inputs, split.present) for split in splits])
    targets, labelled = _stacked([(len(split), split.targets, split.labelled) for split in splits])
    domains, start = [], 0
    for split, count in zip(splits, counts, strict=True):
        own = torch.zeros(len(split), dtype=torch.int64) if split.domain is None else split.domain
        domains.append(own + start)
        start += count
    return plainest(Split(inputs, targets, present, labelled, torch.cat(domains)))


def _stacked(
    sources: Sequence[tuple[int, Mapping[str, Tensor], Mapping[str, Tensor]]],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Returns tensors and masks by name, of all sources one after the other.

    Args:
        sources: the number of examples of each source, its tensors, and the masks that go with them.
    """
    whole, masks = {}, {}
    for name, one in {name: t for _, tensors, _ in sources for name, t in tensors.items()}.items():
        whole[name] = torch.cat(
            [tensors.get(name, one.new_zeros((count, *one.shape[1:]))) for count, tensors, _ in sources]
        )
        masks[name] = torch.cat(
            [own.get(name, torch.full((count,), name in tensors)) for count, tensors, own in sources]
        )
    return whole, masks
