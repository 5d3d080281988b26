"""The commands of ``nas``: a file for each, named as it is. Importing one imports nothing heavy.

- ``search.py``, ``resume.py`` (with ``extend``): searches that run here; ``submit.py``: on a cluster.
- ``status.py``, ``jobs.py`` (``logs`` and ``stop``): searches that run.
- ``leaderboard.py``, ``show.py``, ``list.py``, ``report.py``, ``compare.py``: what was found.
- ``export.py``, ``retrain.py``, ``ensemble.py``: its reuse.
- ``score.py``: networks that nobody has trained.
- ``store.py``: the commands ``nas store ...``.
- ``options.py``, ``formats.py``, ``user_file.py``: options that several commands have; ``assemble.py``
  makes a search of them.
- ``output/``: what the commands print.
"""
