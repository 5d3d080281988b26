"""Exports: a folder is written beside its place, checked, and only then put there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.files import check_folder, check_replaceable
from nas.reuse.export.card import card
from nas.reuse.export.checking import check, check_python
from nas.reuse.export.exportable import Exportable
from nas.reuse.export.folder import ARCHITECTURE_FILE, CARD_FILE, FORMATS, WEIGHTS_FILE, read
from nas.reuse.export.graphs import write_onnx, write_torch_export
from nas.reuse.export.python_file import python_source
from nas.reuse.weights import network_with_weights
from nas.store.encoding import plain
from search_spaces.building.network import Network
from search_spaces.errors import StoreError, UnknownNameError


def export(found: Exportable, folder: str | Path, format: str = "safetensors") -> Path:
    """Writes a network to a folder; see `nas.reuse.Found.export`."""
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    folder = Path(folder)
    check_folder(folder)
    for name in (WEIGHTS_FILE, ARCHITECTURE_FILE, CARD_FILE, *filter(None, FORMATS.values())):
        check_replaceable(folder / name)
    # says why, where the weights were not kept; a graph is for answers, not to be trained
    network = network_with_weights(found.architecture, found.signature, found.weights).requires_grad_(False)
    assert found.weights is not None
    with _writing(folder) as beside:
        (beside / WEIGHTS_FILE).write_bytes(found.weights)
        (beside / ARCHITECTURE_FILE).write_text(_as_json(found), encoding="utf-8")
        several = _write_format(format, network, found, beside)
        (beside / CARD_FILE).write_text(card(found, format, several), encoding="utf-8")
    return folder


def _as_json(found: Exportable) -> str:
    """Returns the text of the file that `read` reads back."""
    data = json.loads(found.architecture.to_json()) | {
        "signature": found.signature.to_dict(),
        "metrics": plain(found.metrics),
        "test_metrics": plain(found.test_metrics),
        "provenance": dict(found.provenance),
    }
    if found.preprocessing is not None:
        data["preprocessing"] = found.preprocessing.to_dict()
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _write_format(format: str, network: Network, found: Exportable, folder: Path) -> bool:
    """Writes the file that a format adds, and checks what was written against the network.

    Returns:
        Whether the export takes any number of examples; if not, it takes one.
    """
    name = FORMATS[format]
    if name is None:
        back = read(folder)
        loaded = network_with_weights(back["architecture"], back["signature"], back["weights"])
        check(WEIGHTS_FILE, network, loaded)
        return True
    file = folder / name
    if format == "python":
        source, modules = python_source(found, WEIGHTS_FILE)
        file.write_text(source, encoding="utf-8")
        check_python(file, network, modules)
        return True
    write = write_onnx if format == "onnx" else write_torch_export
    return write(network, file)


@contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """Makes a new folder whose files are put into ``folder`` in the end; nothing is, where anything fails.

    Files of other formats there, of another network, are removed: they would not go with the new ones.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".nas-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield beside
        folder.mkdir(exist_ok=True)
        if not _same_weights(folder, beside):
            for name in filter(None, FORMATS.values()):
                (folder / name).unlink(missing_ok=True)
        for file in beside.iterdir():
            check_replaceable(folder / file.name)
            os.replace(file, folder / file.name)
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _same_weights(folder: Path, other: Path) -> bool:
    there = folder / WEIGHTS_FILE
    return there.is_file() and there.read_bytes() == (other / WEIGHTS_FILE).read_bytes()
