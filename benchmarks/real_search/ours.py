"""Our searches as a person begins them, and the space and recipes that all methods share."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.real_search.problems import main_score
from benchmarks.real_search.trials import Handed
from nas import Search
from nas.commands.assemble import epochs_for, read_space
from search_spaces import Space
from workers.inline import Inline
from workers.problems import Problem


def space_of(problem: Problem, *, pauses: bool) -> Space:
    """The space of a problem as `nas search` makes it: the catalog's for its signature, with recipes.

    Args:
        problem: the problem.
        pauses: whether trials are compared on their way; see `search_spaces.catalog.recipe_for`.
    """
    return read_space(None, problem.signature, epochs_for(len(problem.train)), pauses=pauses)


def auto(problem: Problem, seconds: float, seed: int) -> Handed:
    """``nas search --controller auto --seconds ...``."""
    return _searched(problem, seconds, seed, "auto", space_of(problem, pauses=True))


def shared(problem: Problem, seconds: float, seed: int) -> Handed:
    """``nas search --controller auto --weights shared --seconds ...``."""
    return _searched(problem, seconds, seed, "auto", space_of(problem, pauses=True), weights="shared")


def evolution(problem: Problem, seconds: float, seed: int) -> Handed:
    """``nas search --controller evolution --seconds ...``, which begins with the plain network, too."""
    return _searched(problem, seconds, seed, "evolution", space_of(problem, pauses=False), first=[{}])


def _searched(
    problem: Problem, seconds: float, seed: int, controller: str, space: Space, **options: Any
) -> Handed:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        search = Search(
            space,
            problem,
            controller,
            seconds=seconds,
            executor=Inline(),
            store=Path(folder) / "nas.db",
            seed=seed,
            **options,
        )
        board = search.run()
        took = time.perf_counter() - began
    score = main_score(problem)
    counts = board.status.value_counts()
    finished, begun = int(counts.get("complete", 0)), len(board)
    note = "; ".join(f"{number} {status}" for status, number in counts.items())
    ranked = board[board["rank"].notna()]
    if ranked.empty or f"test_{score}" not in board:
        return Handed(None, None, False, finished, begun, took, note=f"{search.reason}; {note}")
    best = ranked.iloc[0]
    return Handed(
        float(best[f"test_{score}"]),
        float(best[score]),
        best.status == "complete",
        finished,
        begun,
        took,
        f"{best.id}, {best.origin}, {best.epochs} epochs",
        f"{search.reason}; {note}",
    )
