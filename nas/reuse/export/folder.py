"""The folder that a network is exported to: written beside it, checked, and only then put in its place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.store.encoding import numbers, plain
from search_spaces.architecture import Architecture
from search_spaces.errors import FormatError, StoreError, UnknownNameError
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from nas.reuse.export.exportable import Exportable

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


def export(found: Exportable, folder: str | Path, format: str = "safetensors") -> Path:
    """Write a network to a folder; see `nas.reuse.Found.export`."""
    from nas.reuse.export.card import card

    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    folder, more = Path(folder), FORMATS[format]
    # says why, where the weights were not kept; a graph is for answers, not to be trained
    network = found.build().requires_grad_(False)
    assert found.weights is not None
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"cannot write to {folder}: it is no folder")
    data = json.loads(found.architecture.to_json()) | {
        "signature": found.signature.to_dict(),
        "metrics": plain(found.metrics),
        "test_metrics": plain(found.test_metrics),
        "provenance": dict(found.provenance),
    }
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    with _writing(folder) as beside:
        (beside / WEIGHTS_FILE).write_bytes(found.weights)
        (beside / ARCHITECTURE_FILE).write_text(text, encoding="utf-8")
        several = True
        if more is None:
            from nas.reuse.export.checking import check

            check(WEIGHTS_FILE, network, found.signature, type(found)(**read(beside)).build())
        elif format == "python":
            from nas.reuse.export.checking import check_python
            from nas.reuse.export.python_file import python_source

            source, modules = python_source(found, WEIGHTS_FILE)
            (beside / more).write_text(source, encoding="utf-8")
            check_python(beside / more, network, found, modules)
        else:
            from nas.reuse.export.graphs import write_onnx, write_torch_export

            write = write_onnx if format == "onnx" else write_torch_export
            several = write(network, found.signature, beside / more)
        (beside / CARD_FILE).write_text(card(found, format, several), encoding="utf-8")
    return folder


def read(folder: Path, modules: Iterable[Callable[..., Any]] | None = None) -> dict[str, Any]:
    """What a folder says of its network: the attributes of a `nas.reuse.Found`.

    Args:
        folder: that a network was exported to.
        modules: classes of the user's own that the architecture uses.

    Raises:
        FormatError: the files are not what they should be.
    """
    path = folder / ARCHITECTURE_FILE
    for name in (ARCHITECTURE_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FormatError(f"{folder} holds no exported network: it has no file {name}")
    try:
        text = path.read_text(encoding="utf-8")
        weights = (folder / WEIGHTS_FILE).read_bytes()
        architecture = Architecture.from_json(text, modules)
        data = json.loads(text)
        signature = Signature.from_dict(data.get("signature") or {})
        metrics, test_metrics = _measured(data, "metrics"), _measured(data, "test_metrics")
    except (OSError, UnicodeDecodeError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from error
    provenance = data.get("provenance")
    return {
        "architecture": architecture,
        "signature": signature,
        "weights": weights,
        "metrics": metrics,
        "test_metrics": test_metrics,
        "provenance": provenance if isinstance(provenance, dict) else {},
    }


def _measured(data: Mapping[str, Any], key: str) -> dict[str, float]:
    """Metrics from a folder's JSON."""
    found = data.get(key) or {}
    try:
        return numbers(found)
    except (AttributeError, TypeError, ValueError):
        raise FormatError(f"{key}: expected numbers by name, got {found!r:.80}") from None


@contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """A new folder, whose files are put into ``folder`` in the end; nothing is, where anything fails.

    Files of other formats there, of another network, are removed: they would not go with the new ones.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield beside
        folder.mkdir(exist_ok=True)
        if not _same_weights(folder, beside):
            for name in filter(None, FORMATS.values()):
                (folder / name).unlink(missing_ok=True)
        for file in beside.iterdir():
            os.replace(file, folder / file.name)
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _same_weights(folder: Path, other: Path) -> bool:
    there = folder / WEIGHTS_FILE
    return there.is_file() and there.read_bytes() == (other / WEIGHTS_FILE).read_bytes()
