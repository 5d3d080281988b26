"""Reuse of what was found: loaded, trained again, joined, compared and exported.

- ``found.py``: `Found`, a network with its weights, its metrics and where it comes from.
- ``load.py``: networks from a store, or from the folder of an export.
- ``export/``: the folders that networks are exported to, and their formats.
- ``rebuild.py``, ``weights.py``: problems, architectures and networks, made again from what is recorded.
- ``predict.py``: what networks answer, in the words of the data.
- ``retrain.py``: networks trained again with new seeds.
- ``ensemble.py``: networks that answer together.
- ``zero_cost.py``: what networks that nobody has trained say of how well they will do.
- ``compare.py``, ``single_task.py``: networks of several tasks beside networks for each task alone.
"""

from nas.reuse.found import Found
from nas.reuse.load import load

__all__ = ["Found", "load"]
