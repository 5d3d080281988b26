"""What stands for the values that code has: whole where they are arrays, tensors or frames."""

from __future__ import annotations

import enum
import functools
import hashlib
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nas.search.fingerprint import tensor_hash

RAW = (type(None), bool, int, float, complex, str, bytes, type(...), range)
"""The types of values that stand for themselves."""

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
_CODE = (type, types.ModuleType, *_FUNCTIONS)


def text_of_array(value: Any, token: Callable[[Any], str]) -> str | None:
    """Returns text for a tensor, an array or a frame: all its values; None for anything else.

    Args:
        value: the value.
        token: the function that returns text for any value, here for the objects in it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return f"tensor {_tensor(value)}"
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        named = [(token(one.name), str(one.dtype), token(one.to_numpy())) for one in columns]
        return f"frame {token(value.index)} {token(value.columns)} {named}"
    if pandas is not None and isinstance(value, pandas.Series):
        return f"series {token(value.name)} {token(value.index)} {token(value.to_numpy())}"
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(value, "__array__"):
        return None
    if isinstance(value, numpy.ma.MaskedArray):
        return f"masked {token(value.filled())} {token(numpy.ma.getmaskarray(value))}"
    array = numpy.asarray(value)
    if array.dtype.hasobject:
        return f"array {array.shape} {[token(one) for one in array.ravel().tolist()]}"
    whole = hashlib.blake2b(numpy.ascontiguousarray(array).tobytes()).hexdigest()
    return f"array {array.shape} {array.dtype} {whole}"


def _tensor(value: Any) -> str:
    """Text for a tensor of any layout: all its values, or else what it shows of itself."""
    with suppress(RuntimeError, ValueError, TypeError, NotImplementedError):
        return tensor_hash(value)
    with suppress(RuntimeError, ValueError, TypeError, NotImplementedError):
        return f"{value.layout} {tensor_hash(value.to_dense())}"
    text = repr(value)
    return str(type(value)) if " at 0x" in text else text


def can_change(value: Any) -> bool:
    """Whether a value of a module can become another one without being given its name anew."""
    if isinstance(value, tuple | frozenset):
        return any(map(can_change, value))
    if isinstance(value, types.BuiltinFunctionType):  # such as the append of a list
        return isinstance(value.__self__, list | dict | set)
    numbers = type(value).__module__.partition(".")[0] in ("torch", "numpy")  # constants, as a rule
    code = isinstance(value, _CODE) or hasattr(value, "__wrapped__")
    return not (isinstance(value, (*RAW, enum.Enum)) or code or numbers)


def is_full(cell: types.CellType) -> bool:
    """Whether a cell of a closure has a value yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def slots_of(kind: type) -> tuple[str, ...]:
    """Returns the names of the slots that a class itself has."""
    found = vars(kind).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)
