"""Series of different lengths as one array: after the last step of each comes padding, which is NaN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.inputs import Sequence
from search_spaces.signature import Signature
from search_spaces.tasks import IGNORED, Tagging
from workers.problems.arrays import Array, form
from workers.problems.split import Split

_SINGLE = (torch.float32, torch.float16, torch.bfloat16)


def together(value: Any, kind: object = None) -> Any:
    """Returns series, or their tags, of different lengths as one tensor with padding; all else as it is.

    Args:
        value: what a person gave. A list of arrays ``(L, F)`` of different lengths is such series, and where
            the kind says so, one of arrays ``(L,)``, too: of series of one feature, or of tags.
        kind: the kind of input or task, where it is known.

    Returns:
        Series as floats ``(N, longest, F)``, NaN after the last step of each; tags as int64 ``(N, longest)``,
        -100 after the last one.
    """
    rows = list(value) if isinstance(value, np.ndarray) and value.dtype == object else value
    if not isinstance(rows, list | tuple) or len(rows) < 2 or not _differ(rows):
        return value
    found = [tensor for one in rows if (tensor := _numbers(one)) is not None]
    axes = {one.ndim for one in found}
    if len(found) < len(rows) or len(axes) > 1:
        return value
    if isinstance(kind, Tagging):
        whole = axes == {1} and not any(one.is_floating_point() for one in found)
        return _padded([one.long() for one in found], IGNORED) if whole else value
    if axes == {1} and isinstance(kind, Sequence) and kind.padded and kind.features == 1:
        found = [one.unsqueeze(1) for one in found]
    elif axes != {2} or len({one.shape[1] for one in found}) > 1:
        return value
    elif kind is None and all(one.dtype == torch.uint8 for one in found):
        return value  # bytes may be images of one width
    dtype = torch.float32 if all(one.dtype in _SINGLE for one in found) else torch.float64
    return _padded([one.to(dtype) for one in found], torch.nan)


def _differ(rows: list[Any] | tuple[Any, ...]) -> bool:
    """Whether things have lengths, which differ."""
    try:
        return len({len(one) for one in rows}) > 1
    except TypeError:
        return False


def _numbers(one: Any) -> Tensor | None:
    """An array of numbers as a tensor on the CPU; None where it is none."""
    if isinstance(one, Tensor):
        plain = one.layout == torch.strided and not one.is_nested and not one.is_complex()
        return one.detach().cpu() if plain and one.ndim else None
    if not isinstance(one, np.ndarray | list | tuple):
        return None
    try:
        array = np.asarray(one)
    except Exception:  # whatever is in the list says what it likes
        return None
    if array.dtype.kind not in "biuf" or not array.ndim:
        return None
    if array.dtype.kind != "f":
        return torch.from_numpy(array.astype(np.uint8 if array.dtype == np.uint8 else np.int64))
    return torch.from_numpy(array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64))


def _padded(series: list[Tensor], filler: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(series, batch_first=True, padding_value=filler)


def is_padded(array: Array) -> bool:
    """Whether an array is of series ``(N, L, F)`` some of which have ended before the last step."""
    series = isinstance(array, Tensor) and array.ndim == 3 and array.is_floating_point() and array.numel()
    return bool(series) and bool(array[:, -1].isnan().all(1).any())  # type: ignore[union-attr]


def of_one_length(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the series of each part of a problem with the length of the longest, where some are padded."""
    if not any(map(is_padded, arrays.values())) or any(array.ndim != 3 for array in arrays.values()):
        return dict(arrays)
    longest = max(array.shape[1] for array in arrays.values())
    return {part: _extended(array, longest) for part, array in arrays.items()}


def _extended(array: Array, length: int) -> Array:
    """Series as floats with padding up to a length."""
    if not isinstance(array, Tensor) or array.shape[1] >= length:
        return array
    real = array if array.is_floating_point() else array.double()
    return F.pad(real, (0, 0, 0, length - array.shape[1]), value=torch.nan)


def extended(where: str, array: Tensor, kind: Sequence, code: str, notes: dict[str, None]) -> Tensor:
    """Returns series in the shape of a padded kind: with more padding after them, or with less.

    Args:
        where: the input in words, for the message.
        array: the series, ``(N, L, F)``, or ``(N, L)`` of one feature.
        kind: the kind of the input.
        code: how the array is called in the lines that a message offers.
        notes: what was done, in words; it is added to.

    Raises:
        ProblemError: they are longer than their kind allows.
    """
    if array.ndim == 2 and kind.features == 1:
        array = array.unsqueeze(2)
    if array.ndim != 3 or array.shape[2] != kind.features or array.shape[1] == kind.length:
        return array
    longest = array.shape[1]
    if longest > kind.length and array.is_floating_point() and bool(array[:, kind.length :].isnan().all()):
        return array[:, : kind.length]
    if longest > kind.length:
        raise ProblemError(
            f"{where}: expected up to {kind.length} steps, got {form(array)}; cut them, [one[:{kind.length}] "
            f"for one in {code}], or say Sequence({longest}, {kind.features}, padded=True)"
        )
    notes[f"series of up to {longest} steps were padded to {kind.length}"] = None
    whole = _extended(array, kind.length)
    assert isinstance(whole, Tensor)
    return whole


def check_series(where: str, series: Tensor, kind: Sequence) -> None:
    """Check that the padding of float series ``(N, L, F)`` comes last, and that their steps are finite.

    Args:
        where: the input in words, for the message.
        series: the series, in the shape of their kind.
        kind: the kind of the input, which is padded.

    Raises:
        ProblemError: names the example and the step.
    """
    real = _real(series, kind)
    gaps = real & ~series.isfinite().all(2)
    if bool(gaps.any()):
        example, step = gaps.nonzero()[0].tolist()
        raise ProblemError(
            f"{where}: expected finite numbers but for padding (NaN in all features of a step), got NaN or "
            f"infinity in step {step} of example {example} ({int(gaps.sum())} of them): fill the gaps first"
        )
    late = ~real[:, :-1] & real[:, 1:]
    if bool(late.any()):
        example, step = late.nonzero()[0].tolist()
        raise ProblemError(
            f"{where}: expected padding (steps of NaN) after the last real step alone, got a real step after "
            f"one of padding: step {step + 1} of example {example}; fill such gaps, or leave these steps out"
        )
    if not bool(real.any()):
        raise ProblemError(f"{where}: expected real steps, got padding alone (NaN)")


def check_tags(where: str, split: Split, signature: Signature, task: str) -> None:
    """Check that no step of padding has a tag.

    Args:
        where: the task in words, for the message.
        split: the examples, whose tensors have the shapes of their kinds.
        signature: what they are.
        task: the name of the task, one of tagging.

    Raises:
        ProblemError: a step of padding has one.
    """
    name = signature.tagged_input(task)
    kind, there = signature.inputs[name], split.labelled.get(task, slice(None))
    if isinstance(kind, Sequence) and kind.padded:
        wrong = (split.targets[task] != IGNORED) & ~_real(split.inputs[name], kind)
        if bool(wrong[there].any()):
            count = int(wrong[there].sum())
            raise ProblemError(
                f"{where}: expected {IGNORED} where input {name!r} is padded, got {count} tags"
            )


def _real(series: Tensor, kind: Sequence) -> Tensor:
    real = kind.mask(series)
    assert real is not None
    return real


def ignored_where_padded(
    tags: Mapping[str, Tensor], series: Mapping[str, Tensor], kind: Sequence
) -> dict[str, Tensor]:
    """Returns the tags of each part with the length of the series that they tag, -100 where it is padded.

    Args:
        tags: the tags of each part, int64 ``(N, L)``.
        series: the series of each part, in the shape of their kind.
        kind: the kind of the series, which is padded.
    """
    found = dict(tags)
    for part, one in tags.items():
        if one.ndim == 2 and one.shape[1] <= kind.length:
            whole = F.pad(one, (0, kind.length - one.shape[1]), value=IGNORED)
            found[part] = whole.masked_fill(~_real(series[part], kind), IGNORED)
    return found
