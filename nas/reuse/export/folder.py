"""The folder that a network is exported to: its files, and what they say of the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.store.encoding import numbers
from search_spaces.architecture import Architecture
from search_spaces.errors import FormatError
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from workers.problems.frames.preprocessing import Preprocessing

ARCHITECTURE_FILE = "architecture.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "README.md"

FORMATS = {
    "safetensors": None,
    "torch-export": "model.pt2",
    "onnx": "model.onnx",
    "python": "network.py",
}
"""The formats, each with the file that it adds to the architecture, its weights and its card."""


def read(folder: Path, modules: Iterable[Callable[..., Any]] | None = None) -> dict[str, Any]:
    """Returns what a folder says of its network: the attributes of an `Exportable` by name.

    Args:
        folder: the folder that a network was exported to.
        modules: the user's own classes that the architecture uses.

    Raises:
        FormatError: the files are not what they should be.
    """
    path = folder / ARCHITECTURE_FILE
    for name in (ARCHITECTURE_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FormatError(f"{folder} holds no exported network: it has no file {name}")
    try:
        text = path.read_text(encoding="utf-8")
        weights = _weights(folder / WEIGHTS_FILE)
        architecture = Architecture.from_json(text, modules)
        data = json.loads(text)
        signature = Signature.from_dict(data.get("signature") or {})
        metrics, test_metrics = _measured(data, "metrics"), _measured(data, "test_metrics")
        preprocessing = _preprocessing(data.get("preprocessing"))
    except (OSError, ValueError, RecursionError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from error
    provenance = data.get("provenance")
    return {
        "architecture": architecture,
        "signature": signature,
        "weights": weights,
        "metrics": metrics,
        "test_metrics": test_metrics,
        "provenance": provenance if isinstance(provenance, dict) else {},
        "preprocessing": preprocessing,
    }


def _preprocessing(data: Any) -> Preprocessing | None:
    if data is None:
        return None
    from workers.problems.frames.preprocessing import Preprocessing

    return Preprocessing.from_dict(data)


def _weights(file: Path) -> bytes:
    """Returns the bytes of a file of safetensors, as many as its header says: none that claims more."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:  # looks at the header alone
            opened.keys()
        return file.read_bytes()
    except (SafetensorError, MemoryError, OverflowError) as error:
        raise FormatError(f"{file.name}: expected safetensors ({error!s:.200})") from error


def _measured(data: Mapping[str, Any], key: str) -> dict[str, float]:
    """Returns metrics from a folder's JSON."""
    found = data.get(key) or {}
    try:
        read = numbers(found)
    except (AttributeError, TypeError, ValueError):
        read = None
    if read is None or any(isinstance(v, bool) or not isinstance(v, int | float) for v in read.values()):
        raise FormatError(f"{key}: expected numbers by name, got {found!r:.80}")
    return read
