"""Networks in formats that others read: each export is checked against the network before it is in place.

- ``exportable.py``: what an export is made of. Nothing in this room knows where that comes from.
- ``folder.py``: the files of an export, the formats, and how a folder is read back.
- ``write.py``: ``export``, which writes a folder; ``checking.py`` compares its answers with the network's.
- ``card.py``: the model card.
- ``graphs.py``: the formats of torch.export and ONNX.
- ``python_file.py``: the format of plain Python. ``expressions.py`` writes values as code; ``source_text.py``
  writes the source of classes with all that they need, which ``collecting.py`` follows from module to module
  (``modules.py``) by the names that they use (``names_used.py``).
"""

from nas.reuse.export.folder import FORMATS

__all__ = ["FORMATS"]
