"""What the environment says of a search: its default store, and whether it is a job on a Ray cluster."""

import os
import re

DEFAULT_STORE = os.environ.get("NAS_STORE") or "sqlite:///nas.db"
"""The store that is meant where none is named: that of the environment variable ``NAS_STORE``, if set."""


def in_job() -> bool:
    """Whether this process is the driver of a job that was submitted to a Ray cluster.

    Its working folder is a copy that the cluster deletes after the job.
    """
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def without_password(url: str) -> str:
    """Returns a URL as it may be shown: with ``***`` in place of its password, if it has one."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)
