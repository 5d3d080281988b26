"""What a search has found, loaded from a store or from the folder of an export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.description import Description
from nas.files import is_folder
from nas.identity import changed_code, several, warn_once
from nas.records import Trial
from nas.reuse.export.folder import ARCHITECTURE_FILE, read
from nas.reuse.found import Found
from nas.reuse.rebuild import UNFIT, other_code, space_of
from nas.search.reruns import rerun_seed
from nas.search.user_code import code_of_networks
from nas.search_record import SearchRecord
from nas.store.store import DEFAULT_STORE, Store
from search_spaces.architecture import Architecture
from search_spaces.arguments import checked
from search_spaces.errors import SearchError, StoreError

if TYPE_CHECKING:
    from workers.problems.frames.preprocessing import Preprocessing

_LOOKED_AT = 10_000
"""How many of the best trials are searched for those whose weights were kept, which are of the very best."""


@checked(SearchError, elsewhere=("modules",))
def load(
    source: str | Path | Store = DEFAULT_STORE,
    id: str | None = None,
    *,
    search: str | int | None = None,
    modules: Iterable[Callable[..., Any]] | None = None,
) -> Found:
    """Loads what a search has found, from the folder that it was exported to or from a store.

    Args:
        source: the folder of an export, or a store (URL, path or `Store`).
        id: the id of the architecture, or its beginning; left out: the best of the search. Not for a folder.
        search: the name or number of the search; left out: the latest that has this id.
        modules: your own classes that the architecture uses.

    A warning says once where code of your own is not what it was when the weights were trained.

    Example:
        >>> network = nas.load("best").build()
        >>> network = nas.load("sqlite:///nas.db", "3fa9").build()

    Raises:
        StoreError, UnknownNameError: there is no such folder, store, search or id.
        FormatError: the files are not what they should be.
        SearchError: an argument is not what it should be.
    """
    if not isinstance(source, Store) and "://" not in str(source):
        folder = Path(source)
        if folder.name == ARCHITECTURE_FILE:
            folder = folder.parent
        if is_folder(folder):
            if id is not None:
                raise StoreError(f"{folder} is an exported network: expected no id beside it, got {id!r}")
            return _from_folder(folder, modules)
    if isinstance(source, Store):
        return _from_store(source, id, search, modules)
    with Store(source) as store:
        return _from_store(store, id, search, modules)


def _from_folder(folder: Path, modules: Iterable[Callable[..., Any]] | None) -> Found:
    found = Found(**read(folder, modules))
    kept = found.provenance.get("code")
    changed = changed_code(kept if isinstance(kept, dict) else None, code_of_networks(found.architecture))
    if changed:
        warn_once(f"{folder}: the code of {several(changed)} is not what it was: {UNFIT}")
    return found


def _from_store(
    store: Store, id: str | None, search: str | int | None, modules: Iterable[Callable[..., Any]] | None
) -> Found:
    if id is None:
        record = store.search(search)
        trial = best_of(store, record)
    else:
        record, trial = store.find_trial(id, search)
    space = space_of(record, modules=modules)
    architecture = space.architecture(trial.decisions)
    weights = store.weights(record.id, trial.number)
    return found_of(record, trial, architecture, weights, other_code(record, space))


def found_of(
    record: SearchRecord,
    trial: Trial,
    architecture: Architecture,
    weights: bytes | None,
    changed: Sequence[str] = (),
) -> Found:
    """Returns a network of a search.

    Args:
        record: the search.
        trial: the trial of the network.
        architecture: the architecture of that trial.
        weights: its weights as safetensors; None where they were not kept.
        changed: the names of the code that is not what it was when the weights were trained.
    """
    description = record.description
    again = {}
    if trial.training:
        seed = rerun_seed(description, trial.architecture_id, trial.training - 1)
        again = {"training": trial.training, "training_seed": seed}
    code = {} if description.code is None else code_of_networks(architecture)
    code |= {name: (description.code or {}).get(name, "") for name in changed if name in code}
    return Found(
        architecture,
        description.signature,
        weights,
        trial.metrics,
        trial.test_metrics,
        {
            "search": record.name,
            "trial": trial.number,
            "problem": description.problem,
            "problem_options": dict(description.options),
            "data": description.data,
            "controller": description.controller,
            "objectives": [str(objective) for objective in description.objectives],
            "limits": [str(limit) for limit in description.limits],
            "seed": description.seed,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            "origin": trial.origin,
            "parents": list(trial.parents),
            "ran": dict(trial.ran),
            **again,
            "standardise": description.standardise,
            **({"code": code} if code else {}),
        },
        preprocessing_of(description),
    )


def preprocessing_of(description: Description) -> Preprocessing | None:
    """Returns what makes the inputs of a search's problem of rows; None: nothing does.

    Raises:
        FormatError: what the store has is none.
    """
    if description.preprocessing is None:
        return None
    from workers.problems.frames.preprocessing import Preprocessing

    return Preprocessing.from_dict(description.preprocessing)


def kept_trials(store: Store, search_id: int) -> list[Trial]:
    """Returns the trials of a search whose weights were kept, the best first."""
    kept = store.kept_weights(search_id)
    return [trial for trial in store.ranked(search_id, _LOOKED_AT) if trial.number in kept]


def best_of(store: Store, record: SearchRecord) -> Trial:
    """Returns the best trial of a search whose weights were kept, or the best of all if none were.

    Raises:
        StoreError: no network was trained.
    """
    best = kept_trials(store, record.id) or store.ranked(record.id, 1)
    if not best:
        raise StoreError(f"search {record.name!r} has no trained network yet")
    return best[0]
