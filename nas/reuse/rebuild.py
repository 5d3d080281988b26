"""What a search has recorded by name, made again: its problem, its architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.description import Description
from nas.records import Trial
from nas.search.options import fingerprint
from search_spaces.architecture import Architecture
from search_spaces.errors import DecisionError, SearchError
from search_spaces.space import Space

if TYPE_CHECKING:
    from workers.problems import Problem


def rebuilt(space: Space, trial: Trial) -> Architecture:
    """The architecture of a trial.

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
    """The problem of a search: what was given if it is that, else loaded anew.

    Args:
        description: of the search.
        search: its name, for the message.
        problem: what was given.

    Raises:
        SearchError: it must be given, or it is another one.
    """
    from workers.problems import Problem, catalog, load

    if problem is None:
        if description.problem not in catalog:
            raise SearchError(
                f"search {search!r}: its problem {description.problem!r} is your own: "
                "pass it on (problem=), or the file that describes the search (--file my_search.py)"
            )
        problem = load(description.problem, **description.options)
    if not isinstance(problem, Problem):
        raise SearchError(f"problem: expected a Problem, got {problem!r:.80}")
    if problem.signature != description.signature or fingerprint(problem) != description.data:
        raise SearchError(f"problem {problem.name!r}: its data are not those of search {search!r}")
    return problem
