"""The formats in which commands print rows, and those in which they write networks."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


class ExportFormat(StrEnum):
    """How a network is written; see `nas.reuse.export.FORMATS`."""

    safetensors = "safetensors"
    torch_export = "torch-export"
    onnx = "onnx"
    python = "python"
