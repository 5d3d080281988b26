"""A split: examples as tensors, some of their modalities missing, some of their tasks without a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """Examples: a tensor for each input and each task, all of the same length. A batch is one too.

    Attributes:
        inputs: a tensor for each input, by name; see the kinds in `search_spaces.signature` for shapes and
            dtypes. Zeros where the example has no such modality.
        targets: a tensor for each task, by name, likewise. Any valid value where the example has no such
            label.
        present: masks bool ``(N,)`` by input name: which examples have this modality; all have one that is
            left out.
        labelled: masks bool ``(N,)`` by task name: which examples have this label; all have one that is left
            out.
        domain: int64 ``(N,)``, counted from 0: the source of each example; None: all have one source.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    present: dict[str, Tensor] = field(default_factory=dict)
    labelled: dict[str, Tensor] = field(default_factory=dict)
    domain: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return next(iter(self.inputs.values())).device

    @property
    def num_domains(self) -> int:
        """Sources that the examples come from."""
        return 1 if self.domain is None else int(self.domain.max()) + 1

    def labels(self, task: str) -> Tensor:
        """The targets of a task, of the examples that have one."""
        target = self.targets[task]
        return target[self.labelled[task]] if task in self.labelled else target

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Split:
        """The same examples on another device; ``non_blocking`` as torch has it."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def select(self, indices: Tensor) -> Split:
        """A copy of the examples at ``indices`` (int64), in their order."""
        # index_select copies whole examples at once; indexing by [] takes several times as long
        return self.map(lambda tensor: tensor.index_select(0, indices))

    def take(self, examples: slice) -> Split:
        """A view of the examples in a slice: it shares their memory."""
        return self.map(lambda tensor: tensor[examples])

    def map(self, change: Callable[[Tensor], Tensor]) -> Split:
        """The examples with each of their tensors changed by a function."""
        return Split(
            {name: change(tensor) for name, tensor in self.inputs.items()},
            {name: change(tensor) for name, tensor in self.targets.items()},
            {name: change(tensor) for name, tensor in self.present.items()},
            {name: change(tensor) for name, tensor in self.labelled.items()},
            None if self.domain is None else change(self.domain),
        )
