"""Networks in formats that others read: each export is checked against the network before it is done."""

from nas.reuse.export.folder import FORMATS, export

__all__ = ["FORMATS", "export"]
