"""What a problem is, in a few lines: its examples, its inputs and tasks, what its targets look like."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from search_spaces.inputs import Sequence
from search_spaces.signature import Signature
from search_spaces.tasks import Classification, MultiLabel, Ordinal, Task
from workers.problems.split import Split

_SHOWN = 6  # classes that are listed by name
_WIDTH = 160  # letters of a kind


def described(name: str, signature: Signature, splits: Mapping[str, Split], notes: tuple[str, ...]) -> str:
    """Returns a line for the examples of a problem, and a line for each input and each task.

    Args:
        name: the problem's name.
        signature: its signature.
        splits: its parts by name.
        notes: what was inferred and converted, each beginning with the input or the task.
    """
    counts = ", ".join(f"{len(split):,} {part}" for part, split in splits.items())
    lines = [f"problem {name!r}: examples: {counts}"]
    for part, kinds in (("input", signature.inputs), ("task", signature.tasks)):
        for key, kind in kinds.items():
            about = [f"{kind!r:.{_WIDTH}}"]
            if isinstance(kind, Task):
                about += _targets(kind, key, splits["train"])
            elif isinstance(kind, Sequence) and kind.padded:
                about.append(_lengths(splits["train"], key, kind))
            start = f"{part} {key!r}: "
            about += [note.removeprefix(start) for note in notes if note.startswith(start)]
            lines.append(f"  {part} {key!r}: {'; '.join(about)}")
    lines += [f"    {note}" for note in notes if note.startswith("column ")]
    return "\n".join(lines)


def _lengths(train: Split, name: str, kind: Sequence) -> str:
    """How long padded series are."""
    real = kind.mask(train.inputs[name][train.present.get(name, slice(None))])
    assert real is not None
    counts = real.sum(1)
    return f"{int(counts.min())} to {int(counts.max())} steps in train, steps of NaN are padding"


def _targets(kind: Task, name: str, train: Split) -> list[str]:
    """What the targets of a task look like."""
    labelled, found = train.labels(name), []
    if len(labelled) < len(train):
        found.append(f"{len(labelled):,} of {len(train):,} labelled in train")
    if isinstance(kind, MultiLabel):
        counts = labelled.sum(0).long()
        order = counts.argsort(descending=True, stable=True)[:_SHOWN]
        named = kind.labels or range(kind.classes)
        each = ", ".join(f"{named[place]!r} {int(counts[place]):,}" for place in order.tolist())
        found.append(f"examples in train: {each}" + ", ..." * (kind.classes > _SHOWN))
    elif isinstance(kind, Classification | Ordinal):
        if kind.classes <= _SHOWN:
            counts = labelled.bincount(minlength=kind.classes)
            labels = kind.labels or range(kind.classes)
            each = ", ".join(
                f"{label!r} {count:,}" for label, count in zip(labels, counts.tolist(), strict=True)
            )
            found.append(f"examples in train: {each}")
        else:
            # not a place for each of however many classes
            counts = torch.unique(labelled, return_counts=True)[1]
            low = int(counts.min()) if len(counts) == kind.classes else 0
            found.append(f"{low:,} to {int(counts.max()):,} examples of each class in train")
    elif kind.numeric and labelled.shape[1:] == (1,):
        spread = float(labelled.std(correction=0))
        found.append(
            f"from {float(labelled.min()):.4g} to {float(labelled.max()):.4g}, mean "
            f"{float(labelled.mean()):.4g}, standard deviation {spread:.4g}"
        )
    return found


def listed(classes: torch.Tensor, kind: Task) -> str:
    """Returns the names of classes, or their numbers, a few of them.

    Args:
        classes: int64, the numbers of the classes.
        kind: the task that they are of.
    """
    labels = getattr(kind, "labels", ())
    names = [repr(labels[number]) if labels else str(number) for number in classes.tolist()]
    return ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} of them)" if len(names) > _SHOWN else "")
