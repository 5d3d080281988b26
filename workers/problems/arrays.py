"""One array of a person's data: what holds numbers or words, and the way out for all that does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from search_spaces.errors import ProblemError

Words = NDArray[np.object_]
"""Texts, such as the names of classes; None where one is missing."""

Array = Tensor | Words
"""Numbers, or words."""

_KEPT = frozenset(
    {
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
    }
)
_SEQUENCES = (list, tuple, range)
_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".npz", ".pt", ".wav")


def array_of(where: str, value: Any, code: str) -> Array:
    """Returns what a person gave as a tensor on the CPU, its numbers unchanged; words as an array of objects.

    Args:
        where: the array in words, for the message ("problem 'mine', train, input 'x'").
        value: a tensor, a NumPy array, a nested list, or what has an ``__array__``.
        code: how the array is called in the remedies that the message offers, such as ``inputs``.

    Raises:
        ProblemError: it is none of these, or holds what is neither a number nor a word.
    """
    _refuse_others(where, value, code)
    found: Array
    if isinstance(value, Tensor):
        found = _of_tensor(where, value, code)
    else:
        array = _listed(where, value, code) if isinstance(value, _SEQUENCES) else _numpy(where, value)
        found = array if isinstance(array, Tensor) else _of_numpy(where, array, code)
    if not found.ndim:
        raise ProblemError(
            f"{where}: expected a value for each example, got a single one ({str(value)[:40]}); "
            f"one example is written [{code}]"
        )
    return found


def code_of(value: Any, code: str) -> str:
    """Returns how a remedy speaks of an array: lists have no arithmetic."""
    return as_array(code) if isinstance(value, _SEQUENCES) else code


def as_array(code: str) -> str:
    """Returns how a remedy makes an array of what is called so; see `code_of`."""
    return code if code.startswith("np.asarray(") else f"np.asarray({code})"


def kind_of_numbers(array: Array) -> str:
    """Returns what an array holds, in a word: ``words``, ``truths``, ``bytes``, ``whole`` or ``real``."""
    if not isinstance(array, Tensor):
        return "words"
    if array.dtype == torch.bool:
        return "truths"
    if array.is_floating_point():
        return "real"
    return "bytes" if array.dtype == torch.uint8 else "whole"


def form(array: Array) -> str:
    """Returns dtype and shape as a message shows them."""
    dtype = str(array.dtype).removeprefix("torch.") if isinstance(array, Tensor) else "words"
    return f"{dtype} {tuple(array.shape)}"


def shape_of_many(shape: tuple[int, ...]) -> str:
    """Returns the shape of examples as a message shows it, such as ``(N, 3, 8, 8)``.

    Args:
        shape: the shape of one example.
    """
    return f"({', '.join(['N', *map(str, shape)])}{'' if shape else ','})"


def numbered_words(code: str) -> str:
    """Returns the line that makes numbers of words."""
    return f"np.unique(np.array({code}, str), return_inverse=True)[1]"


def words_there(code: str) -> str:
    """Returns the line that says where a word is, and none missing."""
    return f"np.array([isinstance(one, str) for one in {code}])"


def scaled(code: str, top: int) -> str:
    """Returns the line that scales pixels to [0, 1].

    Args:
        code: how they are called.
        top: the largest of them, at least 1.
    """
    return f"{code} / {next((size for size in (255, 65535) if top <= size), top)}"


def is_path(word: str) -> bool:
    """Whether a word looks like the name of a file."""
    return word.startswith(("/", "./", "~/")) or Path(word[-40:]).suffix.lower() in _ENDINGS


def _refused(where: str, came: str, remedy: str = "") -> ProblemError:
    way_out = f"; write {remedy}" if remedy else ""
    return ProblemError(f"{where}: expected a tensor or an array, got {came}{way_out}")


def way_out(value: Any, code: str) -> str:
    """Returns the line that makes something of what holds data in ways of its own; empty for all else.

    Args:
        value: what came.
        code: how it is called.
    """
    library = type(value).__module__.partition(".")[0]
    if isinstance(value, DataLoader):
        return f"Problem.from_dataset(name, {code}.dataset)"
    if isinstance(value, IterableDataset):
        return f"Problem.from_dataset(name, list({code}))"
    if isinstance(value, Dataset):
        return f"Problem.from_dataset(name, {code})"
    if library in ("pandas", "polars", "pyarrow"):
        return f"{code}.to_numpy()"
    if library == "scipy" and hasattr(value, "toarray"):
        return f"{code}.toarray()"
    return f"list({code})" if isinstance(value, Iterator) else ""


def _refuse_others(where: str, value: Any, code: str) -> None:
    """Refuses what holds data in ways of its own, with the line that takes them out."""
    if value is None:
        raise _refused(where, "None")
    if remedy := way_out(value, code):
        library, name = type(value).__module__.partition(".")[0], type(value).__name__
        raise _refused(where, name if library in ("torch", "builtins") else f"{name} of {library}", remedy)


def _of_tensor(where: str, value: Tensor, code: str) -> Tensor:
    if value.is_nested:
        raise _refused(where, "a nested tensor", f"torch.nested.to_padded_tensor({code}, 0)")
    if value.layout != torch.strided:
        raise _refused(where, f"a tensor of the layout {value.layout}", f"{code}.to_dense()")
    if value.is_quantized:
        raise _refused(where, "a quantized tensor", f"{code}.dequantize()")
    if value.is_complex():
        remedy = f"torch.view_as_real({code}).flatten({min(value.ndim, 1)})"
        raise _refused(where, f"the complex numbers of {form(value)}", remedy)
    try:
        tensor = value.detach().cpu()
        if tensor.is_floating_point() and tensor.dtype not in _KEPT:
            return tensor.float()
        if tensor.dtype not in _KEPT:
            signed = tensor.to(torch.int64)
            if signed.numel() and int(signed.min()) < 0:
                raise _refused(where, f"{form(value)} with numbers over {2**63 - 1}", f"{code}.double()")
            return signed
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise _refused(where, f"a tensor that cannot be read: {str(error)[:200]}") from error
    return tensor


def _listed(where: str, value: Any, code: str) -> NDArray[Any] | Tensor:
    """A list as an array; nothing in it is made a word or an object silently."""
    if value and all(isinstance(one, Tensor) for one in value):
        shapes = sorted({tuple(one.shape) for one in value})
        if len(shapes) > 1:
            remedy = _steps_first(value, code) or f"torch.nn.utils.rnn.pad_sequence({code}, batch_first=True)"
            raise _refused(where, f"tensors of different shapes ({str(shapes[:3])[1:-1]})", remedy)
        try:
            return _of_tensor(where, torch.stack([one.detach().cpu() for one in value]), code)
        except (NotImplementedError, RuntimeError, TypeError) as error:
            raise _refused(where, f"tensors that do not go together: {str(error)[:200]}") from error
    try:
        array = np.asarray(value)
        if array.dtype.kind in "US":  # numbers beside words would have become words
            array = np.asarray(value, dtype=object)
    except Exception as error:  # whatever is in the list says what it likes
        remedy = (
            _steps_first(value, code) or "lists of one length each: pad the short ones, or leave them out"
        )
        raise _refused(
            where, f"a {type(value).__name__} that is no array: {str(error)[:200]}", remedy
        ) from error
    return array


def _steps_first(value: Any, code: str) -> str:
    """The line that makes series of arrays of which the last axis alone differs; empty for others."""
    shapes = {tuple(getattr(one, "shape", ())) for one in value}
    series = all(len(shape) == 2 for shape in shapes) and len({shape[0] for shape in shapes}) == 1
    return f"[one.T for one in {code}] if they are series: their steps come first" if series else ""


def _numpy(where: str, value: Any) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, bool | int | float | np.generic) or hasattr(value, "__array__"):
        try:
            return np.asarray(value)
        except Exception as error:  # a method of somebody else's
            raise _refused(where, f"{type(value).__name__}: {str(error)[:200]}") from error
    raise _refused(where, type(value).__name__)


def _of_numpy(where: str, array: NDArray[Any], code: str) -> Array:
    kind, dtype = array.dtype.kind, array.dtype
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise _refused(where, "a masked array, some of it missing", f"{code}.filled(0)")
        array = np.asarray(array)
    if kind in "UT":
        return array.astype(object)
    if kind == "O":
        return _of_objects(where, array, code)
    if kind == "S":
        raise _refused(where, f"texts as bytes ({dtype})", f"{code}.astype(str)")
    if kind in "mM":
        unit = 'np.timedelta64(1, "s")'
        first = f"({code} - {code}.min())" if kind == "M" else code
        raise _refused(where, f"times ({dtype})", f"{first} / {unit}")
    if kind == "c":
        join = "np.concatenate" if array.ndim > 1 else "np.stack"
        remedy = f"{join}([np.real({code}), np.imag({code})], -1)"
        raise _refused(where, f"complex numbers ({dtype})", remedy)
    if kind not in "biuf":
        remedy = f"np.lib.recfunctions.structured_to_unstructured({code})" if dtype.names else ""
        raise _refused(where, f"an array of {str(dtype)[:80]}", remedy)
    if kind == "f" and dtype.itemsize > 8:
        raise _refused(where, f"an array of {dtype}", f'{code}.astype("float64")')
    if kind == "u" and dtype.itemsize > 1:
        if array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise _refused(where, f"{dtype} with numbers over {2**63 - 1}", f'{code}.astype("float64")')
        array = array.astype(np.int64)
    plain = np.asarray(array, dtype=dtype.newbyteorder("=") if kind != "u" else None)
    if any(stride < 0 for stride in plain.strides):
        plain = plain.copy()  # torch has no such tensors
    try:
        with warnings.catch_warnings():
            # nothing writes into what a person gave
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return torch.from_numpy(plain)
    except (TypeError, ValueError) as error:
        raise _refused(where, f"an array of {dtype}: {str(error)[:200]}") from error


def _is_gap(one: object) -> bool:
    """Whether something says that a value is missing, in Python or in pandas."""
    return (
        one is None or (isinstance(one, float) and one != one) or type(one).__name__ in ("NAType", "NaTType")
    )


def _of_objects(where: str, array: NDArray[Any], code: str) -> Words:
    """Words, some of them missing; of other objects there is no tensor."""
    whole = as_array(code)
    words = [one for one in array.flat if isinstance(one, str)]
    gaps = [_is_gap(one) for one in array.flat]
    if words and len(words) + sum(gaps) == array.size:
        found = np.empty(array.size, dtype=object)
        found[:] = [None if gap else str(one) for one, gap in zip(array.flat, gaps, strict=True)]
        return found.reshape(array.shape)
    kinds = sorted({type(one).__name__ for one in array.flat})
    came = f"an array of objects ({', '.join(kinds[:4])})"
    if words:
        raise _refused(where, f"{came}: words beside others", f"{whole}.astype(str)")
    if any(gaps):
        remedy = f'{whole}.astype("float64")'
        raise _refused(where, f"{came}: some are missing", f"{remedy}, in which they are NaN, and fill them")
    if all(isinstance(one, bool | int | float | np.number | np.bool_) for one in array.flat):
        raise _refused(where, came, f'{whole}.astype("float64")')
    if any(isinstance(one, np.ndarray | list | tuple | Tensor) for one in array.flat):
        raise _refused(
            where, f"{came} of different lengths", f"np.stack(list({code})), once all have one shape"
        )
    raise _refused(where, came)
