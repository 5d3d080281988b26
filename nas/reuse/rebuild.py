"""What a search has recorded by name, made again: its space, its architectures, its problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nas.description import Description
from nas.identity import changed_code, several, warn_once
from nas.records import Trial
from nas.search.fingerprint import fingerprint, older_fingerprint
from nas.search.user_code import code_of_networks
from nas.search_record import SearchRecord
from search_spaces.architecture import Architecture
from search_spaces.errors import DecisionError, SearchError
from search_spaces.space import Space
from workers import problems
from workers.bank.paths import plainly_trained

if TYPE_CHECKING:
    from workers.problems import Problem

UNFIT = "its weights may not fit or mean something else, and what is trained now does not compare"
"""What it means for a network that code of the user's own is not what it was."""


def space_of(
    record: SearchRecord, space: Any = None, modules: Iterable[Callable[..., Any]] | None = None
) -> Space:
    """Returns the space of a search: the one that was passed, or else it is read from its description.

    A warning says once where code of the user's own is not that with which the search has trained.

    Args:
        record: the record of the search.
        space: the space that was passed, or what `Space` takes; None: the search's.
        modules: the user's own classes that it uses, where it is read.

    Raises:
        StoreError: the space must be passed: it was not kept.
        FormatError: the space must be passed: it holds modules that are not known here.
    """
    if space is None:
        space = record.description.load_space(modules)
    found = space if isinstance(space, Space) else Space(space)
    if record.description.weights == "shared":
        found = plainly_trained(found)  # as the search has made it
    if changed := other_code(record, found):
        warn_once(f"search {record.name!r}: the code of {several(changed)} is not what it was: {UNFIT}")
    elif record.description.mixed_code:
        warn_once(f"search {record.name!r}: it has gone on with other code than it began with: {UNFIT}")
    return found


def other_code(record: SearchRecord, space: Space) -> list[str]:
    """Returns the names of the code of the user's own that is not what a search has trained with.

    Args:
        record: the record of the search.
        space: its space, of which the code is that of now.
    """
    return changed_code(record.description.code, code_of_networks(space))


def rebuilt(space: Space, trial: Trial) -> Architecture:
    """Returns the architecture of a trial.

    Raises:
        SearchError: the space is not that of its search.
    """
    try:
        architecture = space.architecture(trial.decisions)
    except DecisionError as error:
        raise SearchError(f"the space is not that of trial {trial.number}: {error}") from error
    if architecture.id != trial.architecture_id:
        raise SearchError(
            f"the space is not that of trial {trial.number}: expected {trial.architecture_id}, "
            f"got {architecture.id}"
        )
    return architecture


def problem_of(description: Description, search: str, problem: Problem | None) -> Problem:
    """Returns the problem of a search: the one that was passed, or else it is loaded anew.

    Args:
        description: the description of the search.
        search: the name of the search, for the message.
        problem: the problem that was passed; None: the search's, from the catalog.

    Raises:
        SearchError: the problem must be passed, or it is not that of the search.
    """
    if problem is None:
        if description.problem not in problems.catalog:
            raise SearchError(
                f"search {search!r}: its problem {description.problem!r} is your own: "
                "pass it on (problem=), or the file that describes the search (--file my_search.py); "
                "or it is of a package that is not installed here"
            )
        problem = problems.load(description.problem, **description.options)
    if not isinstance(problem, problems.Problem):
        raise SearchError(f"problem: expected a Problem, got {problem!r:.80}")
    same = description.has_data(fingerprint(problem), older_fingerprint(problem))
    if problem.signature != description.signature or not same:
        raise SearchError(f"problem {problem.name!r}: its data are not those of search {search!r}")
    return problem
