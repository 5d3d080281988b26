"""Numbers of 64 bits as numbers of 32: what would be lost on the way is compared before and after."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from workers.problems.arrays import as_array

TOLERATED_ERROR = 1e-3
"""The largest error of rounding (root mean square) that is tolerated, in standard deviations of a column."""

TOLERATED_DISTINCT = 0.5
"""The smallest share of a column's distinct numbers that may be left; whole numbers must all stay."""

_COMPARED = 1 << 15  # numbers whose distinctness is looked at, evenly from all of them
_NOISE = 1e-12  # a difference of 64-bit numbers, as a share of the largest, that no datum makes
_TINY = 1e-30
_EXACT = frozenset(
    {
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.float16,
        torch.bfloat16,
        torch.float32,
    }
)


def single(where: str, tensor: Tensor, code: str, *, by_column: bool, mask: Tensor | None = None) -> Tensor:
    """Returns numbers in float32, which must tell apart what they told apart.

    Args:
        where: the tensor in words, for the message.
        tensor: numbers of any dtype.
        code: how the tensor is called in the remedy that the message offers.
        by_column: whether its last axis holds columns that have scales of their own; else all of it has one.
        mask: which of its rows are looked at; None: all.

    Raises:
        ProblemError: a number is too large for 32 bits, or numbers would become equal that are not.
    """
    short = tensor.float()
    if tensor.dtype in _EXACT or not tensor.numel():
        return short
    _check(where, *((tensor, short) if mask is None else (tensor[mask], short[mask])), code, by_column)
    return short


def _check(where: str, tensor: Tensor, short: Tensor, code: str, by_column: bool) -> None:
    if not tensor.numel():
        return
    finite = torch.isfinite(tensor)
    beyond = finite & ~torch.isfinite(short)
    if bool(beyond.any()):
        raise ProblemError(
            f"{where}: expected numbers that 32 bits can hold (up to 3.4e38), "
            f"got {float(tensor[beyond][0]):.3g}; scale them in 64 bits first: {code} / abs({code}).max()"
        )
    if not bool(finite.all()):
        return  # refused later for what it is
    before = tensor.reshape(-1, tensor.shape[-1]) if by_column and tensor.ndim > 1 else tensor.reshape(-1, 1)
    after = short.reshape(before.shape)
    for start in range(0, before.shape[1], 256):
        _compare(where, before[:, start : start + 256], after[:, start : start + 256], code)


def _remedy(column: Tensor, code: str) -> str:
    """The line that standardises what holds a column."""
    array = as_array(code)
    if column.is_floating_point():
        if float(column.abs().max()) < _TINY:  # their squares are 0
            return f"{array} / np.abs({array}).max(0).clip(1e-300)"
        return f"({code} - {code}.mean(0)) / {code}.std(0).clip(1e-12)"
    # whole numbers are subtracted as such: a mean of large ones is not exact
    return f"({array} - {array}.min(0)) / {array}.std(0).clip(1e-12)"


def _compare(where: str, before: Tensor, after: Tensor, code: str) -> None:
    """Refuses columns whose numbers do not stay what they are; both ``(numbers, columns)``."""
    scale = before.abs().amax(0).double().clamp(min=1e-300)
    exact, rounded = before.double() / scale, after.double() / scale
    spread = exact.std(0, correction=0)
    error = (rounded - exact).square().mean(0).sqrt()
    some = before[:: max(1, len(before) // _COMPARED)]
    ordered = some.sort(0).values
    if before.is_floating_point():
        whole = (ordered == ordered.round()).all(0)
        # what differs in the last digits of 64 bits only was computed to be equal
        apart = ordered.diff(dim=0) > torch.where(whole, 0.0, scale * _NOISE)
    else:
        whole = torch.ones(before.shape[1], dtype=torch.bool)
        apart = ordered.diff(dim=0) != 0
    distinct = apart.sum(0) + 1
    left = (ordered.float().diff(dim=0) != 0).sum(0) + 1
    lost = ((error > TOLERATED_ERROR * spread) & (spread > _NOISE)) | (left < TOLERATED_DISTINCT * distinct)
    lost |= whole & (left < distinct)
    columns = lost.nonzero().squeeze(1).tolist()
    if columns:
        column = columns[0]
        low, high = ordered[0, column].item(), ordered[-1, column].item()
        raise ProblemError(
            f"{where}: expected numbers that stay apart in 32 bits, got {int(distinct[column])} different "
            f"ones from {low!r} to {high!r}, of which {int(left[column])} would be left; "
            f"standardise them in 64 bits first: {_remedy(ordered[:, column], code)}"
        )
