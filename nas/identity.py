"""Whether two searches have the same data and the same code, by what their descriptions keep of both."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache

PLANNER = "planner: "
"""What the names of code begin with that decides only which networks are tried and for how long."""

EXECUTOR = "executor: "
"""What the names of code begin with that only an executor uses which answers by itself; alone, its class."""

PROBLEM = "the table's answers"
"""The name of the code that answers for a table, beside the names of its functions."""

_logger = logging.getLogger(__name__)


@cache
def warn_once(text: str) -> None:
    """Say in the log what a person should know, once in a process."""
    _logger.warning("%s", text)


def version_of(data: str) -> str:
    """Returns the version of a fingerprint of data; that of the first ones is not written."""
    return data.partition(":")[0] if ":" in data else "1"


def same_data(data: str, older: str, other_data: str, other_older: str) -> bool:
    """Whether fingerprints are of the same data, by the newest version that both sides know.

    Args:
        data, older: the fingerprint of some data, and that by the version before; empty: not known.
        other_data, other_older: those of others.
    """
    if version_of(data) == version_of(other_data):
        return data == other_data
    same = bool({data, older} & {other_data, other_older} - {""})
    if same:
        warn_once(
            "an older version kept a fingerprint of 64 rows of each tensor only: whether all other data "
            "are the same as then is not known"
        )
    return same


def of_training(code: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Returns the code that results depend on: all but that of controllers and fidelities."""
    if code is None:
        return None
    return {name: found for name, found in code.items() if not name.startswith(PLANNER)}


def code_difference(earlier: Mapping[str, str] | None, later: Mapping[str, str] | None) -> str | None:
    """Says what code is another one now, and what that means for a search; None where all is the same.

    Where an older version did not keep the code, it is taken to be the same, with a warning.

    Args:
        earlier, later: the hashes of code by its names; None: they were not kept.
    """
    if earlier is None or later is None:
        _warn_of_code(earlier, later)
        return None
    both = earlier.keys() & later.keys()
    changed = [
        name
        for name in earlier.keys() | later.keys()
        if earlier.get(name) != later.get(name)
        # where a search runs may change; but not meanwhile what an executor does
        and not (name.startswith(EXECUTOR) and (name == EXECUTOR or name not in both))
    ]
    if not changed:
        return None
    # what decides results goes first; then what both have: somebody has edited it, and the rest follows
    changed.sort(key=lambda name: (name.startswith(PLANNER), name not in both, name))
    then = "results with other code do not compare"
    if changed[0].startswith(PLANNER):
        then = "it would not try the networks that it tried"
    names = [name.removeprefix(PLANNER).removeprefix(EXECUTOR) for name in changed]
    return f"the code of {several(names)} is not what it was: {then}"


def changed_code(earlier: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """Returns the names of the code of now that was another one, or of somebody else; those of both first.

    Args:
        earlier: the hashes of code by its names; None: they were not kept, and all is taken to be the same,
            with a warning.
        now: those of some code of now, of a part of it perhaps.
    """
    if earlier is None:
        _warn_of_code(now)
        return []
    changed = [name for name in now if earlier.get(name) != now[name]]
    return sorted(changed, key=lambda name: (name not in earlier, name))


def several(names: Sequence[str]) -> str:
    """Returns the first of some names, and how many more there are."""
    return f"{names[0]} (and {len(names) - 1} more)" if len(names) > 1 else names[0]


def same_code(code: Mapping[str, str] | None, other: Mapping[str, str] | None) -> bool:
    """Whether results of both depend on the same code, as far as both use it.

    The hash of each name says which others its code uses: names that only one side has are of networks that
    only that one knows. But an executor that answers by itself has made every result.

    Args:
        code, other: the hashes of code by its names; None: they were not kept, and are taken to be the same,
            with a warning.
    """
    mine, its = of_training(code), of_training(other)
    if mine is None or its is None:
        _warn_of_code(mine, its)
        return True
    return all(mine.get(name) == its.get(name) for name in (mine.keys() & its.keys()) | {EXECUTOR})


def _warn_of_code(*several: Mapping[str, str] | None) -> None:
    """Warn of searches of which one has code of the user's own, and another may have had any."""
    if any(several):
        warn_once(
            "an older version did not keep the code of modules of your own: whether it is the same as then "
            "is not known"
        )
