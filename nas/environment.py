"""What the environment says of a search: its default store, and whether it is a job on a Ray cluster."""

import os
import resource

DEFAULT_STORE = os.environ.get("NAS_STORE") or "sqlite:///nas.db"
"""The store that is meant where none is named: that of the environment variable ``NAS_STORE``, if set."""


def in_job() -> bool:
    """Whether this process is the driver of a job that was submitted to a Ray cluster.

    Its working folder is a copy that the cluster deletes after the job.
    """
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def too_little_memory(error: BaseException) -> str | None:
    """Returns what to say of an error where it comes of too little memory for the libraries; None elsewhere.

    Args:
        error: what came of an import, or of the command.
    """
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen).lower()
        if isinstance(seen, MemoryError) or any(sign in text for sign in _NO_MEMORY):
            return (
                f"there is not enough memory{_limit()}: torch, Ray and pandas alone take about 4 GB of "
                "address space, and more with CUDA; see ulimit -v"
            )
        seen = seen.__cause__ or seen.__context__
    return None


_NO_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "cannot create new thread",
    "can't start new thread",
    "unable to allocate",
    "cannot enlarge memory",
    "bad_alloc",
)
"""What libraries say where they get no memory."""


def _limit() -> str:
    """Returns the limit of this process's address space, for people; nothing where there is none."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if most == resource.RLIM_INFINITY else f" (this process may have {most / 1e9:.1f} GB)"
