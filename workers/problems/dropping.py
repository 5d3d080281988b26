"""Examples with less than they had: modalities and labels dropped at random, inputs and tasks left out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from numbers import Real

import torch
from torch import Generator, Tensor

from search_spaces.errors import ProblemError
from search_spaces.signature import Signature
from workers.problems.missing import blanked, needed, plainest
from workers.problems.split import Split


def narrowed(split: Split, to: Signature) -> Split:
    """The examples of a split with the inputs and tasks of a signature that has fewer.

    Those that have none of the inputs, or a label for none of the tasks, are left out.
    """
    kept = Split(
        {name: split.inputs[name] for name in to.inputs},
        {name: split.targets[name] for name in to.tasks},
        {name: mask for name, mask in split.present.items() if name in to.inputs},
        {name: mask for name, mask in split.labelled.items() if name in to.tasks},
        split.domain,
    )
    useful = _any(kept.present, to.inputs, len(split)) & _any(kept.labelled, to.tasks, len(split))
    return plainest(kept if bool(useful.all()) else kept.select(useful.nonzero().squeeze(1)))


def renumbered(splits: Mapping[str, Split]) -> dict[str, Split]:
    """The same splits with their domains numbered anew, without gaps; without any if there is one only."""
    domains = [split.domain for split in splits.values() if split.domain is not None]
    if not domains:
        return dict(splits)
    left = torch.unique(torch.cat(domains))
    return {
        part: dataclasses.replace(
            split,
            domain=None if split.domain is None or len(left) == 1 else torch.searchsorted(left, split.domain),
        )
        for part, split in splits.items()
    }


def _any(masks: Mapping[str, Tensor], names: Mapping[str, object], count: int) -> Tensor:
    """Which examples have at least one of these."""
    return _matrix(masks, names, count).any(1)


def _matrix(masks: Mapping[str, Tensor], names: Mapping[str, object], count: int) -> Tensor:
    """Masks as one, bool ``(count, names)``."""
    return torch.stack([masks.get(name, torch.ones(count, dtype=torch.bool)) for name in names], 1)


def _is_number(value: object) -> bool:
    """Whether something is a real number, of Python or another library; truths are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_share(what: str, share: float, count: int) -> None:
    """Check that of ``count`` tasks or inputs such a share can be dropped so that every example keeps one.

    Raises:
        ProblemError: it cannot.
    """
    most = 1 - 1 / count
    if not _is_number(share) or not 0 <= share <= most + 1e-9:
        raise ProblemError(
            f"drop({what}={share!r:.80}): expected a share from 0 to {most:.3g}, "
            f"so that every example keeps one of {count}"
        )


def without_modalities(split: Split, to: Signature, share: float, seed: str) -> Split:
    """The examples of a split, that share of them without each modality; no example is left without any.

    A task that needs the modality loses the label with it.
    """
    kept = _dropped(_matrix(split.present, to.inputs, len(split)), share, _generator(seed))
    present = dict(zip(to.inputs, kept.unbind(1), strict=True))
    labelled = dict(split.labelled)
    for task in to.tasks:
        for name in needed(to, task):
            labelled[task] = labelled[task] & present[name] if task in labelled else present[name]
    return plainest(blanked(dataclasses.replace(split, present=present, labelled=labelled)))


def without_labels(split: Split, to: Signature, share: float, seed: str) -> Split:
    """The examples of a split, that share of them without a label for each task; every example keeps one."""
    kept = _dropped(_matrix(split.labelled, to.tasks, len(split)), share, _generator(seed))
    labelled = dict(zip(to.tasks, kept.unbind(1), strict=True))
    return plainest(blanked(dataclasses.replace(split, labelled=labelled)))


def _dropped(there: Tensor, share: float, generator: Generator) -> Tensor:
    """A mask bool ``(examples, things)`` with that share of each column less; every row keeps one if it can.

    Each column drops independently of the others; rows that lose all get one back, which another
    row loses.
    """
    kept = there.clone()
    for column in range(there.shape[1]):
        owners = there[:, column].nonzero().squeeze(1)
        kept[_pick(owners, round(share * len(owners)), generator), column] = False
    bare = (there.any(1) & ~kept.any(1)).nonzero().squeeze(1)
    if len(bare):
        restored = torch.multinomial(there[bare].float(), 1, generator=generator).squeeze(1)
        kept[bare, restored] = True
        for column, owed in enumerate(restored.bincount(minlength=there.shape[1]).tolist()):
            givers = (kept[:, column] & (kept.sum(1) > 1)).nonzero().squeeze(1)
            kept[_pick(givers, owed, generator), column] = False
    return kept


def _pick(rows: Tensor, count: int, generator: Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def _generator(seed: str) -> Generator:
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]))
