"""The mean loss of each task over an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from workers.problems.split import Split


class MeanLosses:
    """Sums over the batches of an epoch, kept on the device: nothing is read back until it is asked for.

    Args:
        tasks: the names of the tasks.
        device: the device of the losses.
    """

    def __init__(self, tasks: Iterable[str], device: torch.device) -> None:
        self._sums = {name: torch.zeros((), device=device) for name in tasks}
        self._rows = dict.fromkeys(self._sums, 0)

    def reset(self) -> None:
        """Begins another epoch, in the same storage."""
        for total in self._sums.values():
            total.zero_()
        self._rows = dict.fromkeys(self._sums, 0)

    def add(self, losses: Mapping[str, Tensor], batch: Split) -> None:
        """Adds the losses of a batch, each the mean over the rows of its task; see `count`."""
        for name, loss in losses.items():
            self._sums[name].add_(loss.detach(), alpha=_rows(batch, name))

    def count(self, losses: Iterable[str], batch: Split) -> None:
        """Counts the rows of a batch whose losses were added, by the names of their tasks."""
        for name in losses:
            self._rows[name] += _rows(batch, name)

    @property
    def total(self) -> Tensor:
        """The sum of all losses so far, a scalar; NaN or infinite where one of them was."""
        return torch.stack(list(self._sums.values())).sum()

    def read(self, mean: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, float]:
        """Returns the mean losses by task, of those that had a row.

        Args:
            mean: the function that averages over the processes that train together.
        """
        sums = mean(torch.stack(list(self._sums.values()))).tolist()
        rows = self._rows
        return {n: total / rows[n] for n, total in zip(rows, sums, strict=True) if rows[n]}


def _rows(batch: Split, task: str) -> int:
    """The number of examples with a label; the mask is on the CPU."""
    rows = batch.labelled.get(task)
    return len(batch) if rows is None else int(rows.sum())
