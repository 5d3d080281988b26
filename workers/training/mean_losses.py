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
        self._rows: dict[str, Tensor | int] = dict.fromkeys(self._sums, 0)

    def add(self, losses: Mapping[str, Tensor], batch: Split) -> None:
        """Adds the losses of a batch, each the mean over the rows of its task."""
        for name, loss in losses.items():
            rows = batch.labelled.get(name)
            if rows is None:
                size = len(batch)
                self._sums[name].add_(loss.detach(), alpha=size)
                self._rows[name] += size
            else:
                count = rows.sum()
                self._sums[name].addcmul_(loss.detach(), count)
                self._rows[name] = self._rows[name] + count

    @property
    def total(self) -> float:
        """The sum of all losses so far; NaN or infinite where one of them was."""
        return float(torch.stack(list(self._sums.values())).sum())

    def read(self, mean: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, float]:
        """Returns the mean losses by task, of those that had a row.

        Args:
            mean: the function that averages over the processes that train together.
        """
        sums = mean(torch.stack(list(self._sums.values()))).tolist()
        rows = {name: int(count) for name, count in self._rows.items()}
        return {n: total / rows[n] for n, total in zip(rows, sums, strict=True) if rows[n]}
