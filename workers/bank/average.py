"""The average of banks that several workers have trained for a while, each from the same one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workers.bank.bank import Bank
from workers.bank.shared_tensor import SharedTensor, placed


@torch.no_grad()
def average(banks: Sequence[Bank], before: Bank | None = None) -> Bank:
    """Returns the average of banks, number by number.

    Local SGD (Stich, "Local SGD Converges Fast and Communicates Little", ICLR 2019): each worker makes steps
    by itself, then all go on from the mean. A number counts for each bank by the steps that it has moved
    there since ``before``, so that who has not trained it has no say; so do the running averages of the
    optimizer and its counts of steps. One that nobody has moved is that of the first bank which has it. What
    else a training keeps is the first bank's.

    Args:
        banks: the banks, one at least, all on one device; they are used up.
        before: the bank from which all of them went on; None: they began by themselves.
    """
    if len(banks) == 1:
        return banks[0]
    found = Bank()
    found.version, found.beside = banks[0].version, banks[0].beside
    for key in dict.fromkeys(key for bank in banks for key in bank.tensors):
        several = [bank.tensors[key] for bank in banks if key in bank.tensors]
        found.tensors[key] = _averaged(several, None if before is None else before.tensors.get(key))
    return found


def _averaged(several: Sequence[SharedTensor], old: SharedTensor | None) -> SharedTensor:
    """The average of tensors, with all indices that one of them has."""
    whole = SharedTensor(several[0].value, several[0].axes, decays=several[0].decays)
    for one in several[1:]:
        whole.grow(one.axes)
    together = all(not one.steps.dim() and one.places == whole.places for one in several)
    grids, shape = [whole.grid(one.axes) for one in several], tuple(whole.value.shape)

    def spread(part_of: Callable[[SharedTensor], Tensor]) -> list[Tensor]:
        """What each of them keeps for its numbers, at their places in the whole."""
        parts = [part_of(one).expand(one.value.shape) for one in several]
        return [placed(part, shape, grid) for part, grid in zip(parts, grids, strict=True)]

    begun = torch.zeros_like(whole.value)
    if old is not None:
        begun[whole.grid(old.axes)] = old.steps.to(begun)
    steps, known = spread(lambda one: one.steps), spread(lambda one: one.known)
    moved = [(own - begun).clamp(min=0.0) for own in steps]
    total = torch.stack(moved).sum(0)

    def mean(parts: Sequence[Tensor]) -> Tensor:
        weighted = [own / total.clamp(min=1.0) * part for own, part in zip(moved, parts, strict=True)]
        unmoved = parts[-1]
        for part, there in zip(parts[-2::-1], known[-2::-1], strict=True):
            unmoved = torch.where(there, part, unmoved)
        return torch.where(total > 0, torch.stack(weighted).sum(0), unmoved)

    def running(slot: int) -> Callable[[SharedTensor], Tensor]:
        return lambda one: one.state[slot] if one.state else torch.zeros_like(one.value)

    state = [mean(spread(running(slot))) for slot in range(max(len(one.state) for one in several))]
    whole.value.copy_(mean(spread(lambda one: one.value)))
    counts = mean(steps).round()
    whole.set(
        torch.stack(known).any(0),
        torch.stack([one.steps for one in several]).mean().round() if together else counts,
        state,
    )
    return whole
