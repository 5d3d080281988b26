"""``nas score``: zero-cost scores of a network, or of a sample of a space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.commands.data import data_options, problem_name
from nas.commands.formats import Format
from nas.commands.options import (
    BEST,
    SearchOption,
    SpaceOption,
    StoreOption,
    with_options_of,
)
from nas.commands.user_file import DescribedBy, described_search
from nas.environment import DEFAULT_STORE
from search_spaces.errors import SearchError
from workers import problems
from workers.zero_cost import BATCH_SIZE, DEFAULT_SCORES, LEAST, catalog


@with_options_of(data_options)
def score(
    id: Annotated[
        str | None, typer.Argument(help="Of an architecture of a search, or its beginning; best.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="In place of an id: so many networks of the space.")
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option("--score", help="Which: see nas list scores; may be repeated; all: every one."),
    ] = None,
    problem: Annotated[
        str | None, typer.Option(help="With --sample: what to learn; default: that of the search.")
    ] = None,
    space: SpaceOption = None,
    batch_size: Annotated[int, typer.Option(min=LEAST, help="Training examples to look at.")] = BATCH_SIZE,
    seed: Annotated[int, typer.Option(help="Of the sample, the weights and the examples.")] = 0,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    search: SearchOption = None,
    file: DescribedBy = None,
    store: StoreOption = None,
    **options: Any,
) -> None:
    """Score networks without training them: synflow, naswot, AZ-NAS and others.

    More is better, as far as a score says anything. Trained networks are ranked by nas leaderboard.
    """
    from nas.commands.output.zero_cost import print_scores
    from nas.reuse.zero_cost import zero_cost_rows

    if (id is None) == (sample is None):
        raise SearchError("expected the id of a network, or --sample 200 for networks of a space")
    given = data_options(**options)
    problem = problem_name(problem, given)
    named = problem is not None or space is not None
    if named and id is not None:
        raise SearchError("--problem, --data, --space: with --sample only; a network of a search has its own")
    if problem is None and (given or named):
        raise SearchError("--space, --folder, --input, --task: expected --problem beside them")
    if problem is not None:
        networks, data = _named(problem, space, given)
        title = f"a sample of networks for {problem}, not trained"
    else:
        networks, data, title = _of_search(id, search, file, store)
    names = list(catalog) if scores == ["all"] else scores or list(DEFAULT_SCORES)
    rows = zero_cost_rows(networks, data, names, sample=sample or 1, batch_size=batch_size, seed=seed)
    print_scores(rows, names, format.value, title)


def _named(problem: str, space: str | None, given: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the space and the problem that are named."""
    from nas.commands.assemble import read_space

    data = problems.load(problem, **given)
    return read_space(space, data.signature), data


def _of_search(
    id: str | None, search: str | None, file: Path | None, store: str | None
) -> tuple[Any, Any, str]:
    """Returns a network of a search, or without an id its space; the problem; and a title."""
    from nas.reuse.load import best_of
    from nas.reuse.rebuild import problem_of, rebuilt, space_of
    from nas.store.store import open_store

    of_file = described_search(file, store, None, search)
    with open_store(of_file.pop("store", store or DEFAULT_STORE)) as opened:
        named = of_file.pop("search", search)
        if id is None or id == BEST:
            record = opened.search(named)
            trial = None if id is None else best_of(opened, record)
        else:
            record, trial = opened.find_trial(id, named)
        found = space_of(record, of_file.get("space"))
        data = problem_of(record.description, record.name, of_file.get("problem"))
    title = f"of search {record.name}, not trained"
    return (found if trial is None else [rebuilt(found, trial)]), data, title
