"""Where this project runs: whoever imports any part of it elsewhere is told so."""

import sys
import warnings
from importlib import import_module

SYSTEMS = {"linux": "Linux", "darwin": "macOS"}
"""The systems that it runs on, by Python's words for them."""

OLDEST = (3, 11)
"""The oldest version of Python."""


LEAST_ADDRESSES = 1.5e9
"""Bytes of address space without which the libraries may not load; some of them abort the process then."""


def check_platform() -> None:
    """Checks that the project runs here; warns where there may be too little memory to load its libraries.

    Raises:
        ImportError: it does not.
    """
    python = ".".join(map(str, OLDEST))
    wanted = f"nasforge needs {' or '.join(SYSTEMS.values())}, 64 bits and Python {python} or later"
    if not sys.platform.startswith(tuple(SYSTEMS)):
        hint = ": run it in the Windows Subsystem for Linux (WSL)" if sys.platform == "win32" else ""
        raise ImportError(f"{wanted}; this is {sys.platform}{hint}")
    if sys.maxsize < 2**32:
        raise ImportError(f"{wanted}; this Python has 32 bits")
    if sys.version_info[:2] < OLDEST:
        raise ImportError(f"{wanted}; this is Python {sys.version_info[0]}.{sys.version_info[1]}")
    resource = import_module("resource")  # which other systems do not have
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and most < LEAST_ADDRESSES:
        warnings.warn(
            f"this process may have {most / 1e9:.1f} GB of address space (ulimit -v): torch, Ray and pandas "
            "may not load, or abort it; they take about 4 GB, and more with CUDA",
            RuntimeWarning,
            stacklevel=2,
        )


check_platform()
