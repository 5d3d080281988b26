"""What a search expects of decisions before it has results: from a person, or an older search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controllers.base import Controller
from controllers.prior import Prior, prior_of
from nas.search.sources import Source
from nas.store.store import Store, open_store
from search_spaces.architecture import Architecture
from search_spaces.errors import SearchError, StoreError, UnknownNameError
from search_spaces.space import Space

Given = (
    str | Source | Prior | Architecture | Mapping[str, object] | Sequence[Architecture | Mapping[str, object]]
)
"""What a person may give for a prior: see `nas.search.search.Search`."""

PLAIN, NONE = "plain", "none"
"""The words for the plain network of a space, and for no prior."""

_BEST = 5
"""The number of the best networks of an older search that the prior is around."""


def prior_from(
    given: Given | None, space: Space, controller: object, store: str | Path | Store
) -> Prior | None:
    """Returns the prior of a search; None where it is given none.

    Args:
        given: what the person gave.
        space: the space of the search.
        controller: who proposes; one that was made already may have a prior.
        store: the store in which an older search is looked up.

    Raises:
        ControllerError: it is no prior of this space.
        SearchError: both the controller and the search have one, or an older search has nothing to take.
        UnknownNameError, StoreError: there is no such search or store.
    """
    if isinstance(controller, Controller) and controller.prior is not None:
        if given is not None:  # NONE, too: it has one
            raise SearchError("prior: the controller was given one already: say one")
        return controller.prior
    if given is None or given == NONE:
        return None
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
        with Store(given[0]) as other:
            return _of_search(other, given[1], space)
    if given == PLAIN or not isinstance(given, str | int) or isinstance(given, bool):
        return prior_of(given, space)
    try:
        with open_store(store) as opened:
            if isinstance(given, str) and given not in (names := [one.name for one in opened.searches()]):
                raise UnknownNameError("prior", given, (PLAIN, NONE, *names))
            return _of_search(opened, given, space)
    except StoreError as error:
        raise StoreError(f"prior {given!r}: expected {PLAIN!r} or a search of the store: {error}") from error


def words_of(prior: Prior) -> str:
    """Returns what a search says of its prior when it begins."""
    known = {path for center in prior.centers for path in center} | prior.weights.keys()
    count = len(prior.centers)
    networks = f"{count} networks" if count > 1 else "one network"
    if prior.search is not None:
        best = f"the {count} best networks" if count > 1 else "the best network"
        networks = f"{best} of search {prior.search!r}"
    return f"the first proposals are near {networks} ({len(known)} decisions are expected to be theirs)"


def _of_search(store: Store, search: str | int, space: Space) -> Prior:
    """Returns the prior around the best networks of a search, as far as their decisions fit the space."""
    record = store.search(search)
    holes = space.holes()
    centers: list[dict[str, Any]] = []
    seen: set[str] = set()
    for judged in store.judged(record.id, top=10 * _BEST):
        trial = judged.trial
        if judged.feasible is False or trial.architecture_id in seen or len(centers) == _BEST:
            continue
        seen.add(trial.architecture_id)
        made = trial.decisions.items()
        centers.append({path: value for path, value in made if path in holes and holes[path].contains(value)})
    if not centers:
        raise SearchError(
            f"prior: search {record.name!r} has no trained network that keeps its limits: expected another "
            f"search, or {PLAIN!r}"
        )
    if not any(centers):
        raise SearchError(
            f"prior: the networks of search {record.name!r} have no decision that this space has: expected a "
            f"search of a similar space, or {PLAIN!r}"
        )
    return Prior(tuple(centers), search=record.name)
