"""A search as a job on a Ray cluster.

- ``job.py``: a search, ready to be submitted: its command, and what is shipped with it.
- ``files.py``: which files of a folder are shipped.
- ``dashboard.py``: the jobs of a cluster, through its dashboard.
"""
