"""What the commands print. A command imports its file when it has something to print: these load the store.

- ``tables.py``: rows as a table, Markdown, JSON or CSV.
- ``leaderboard.py``, ``comparison.py``, ``retraining.py``, ``ensemble.py``: rows of results.
- ``network.py``: one network of a store, or of an export.
- ``catalogs.py``: what there is to choose from, and the searches of a store.
- ``status.py``: how a search stands.
- ``running.py``: the progress of a search that runs here, how it ended, and how to go on.
"""
