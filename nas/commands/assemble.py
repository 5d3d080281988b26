"""A search from what a person wrote on the command line, or in a file."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from controllers.fidelity import Fidelity, FullBudget
from controllers.fidelity import catalog as fidelities
from controllers.objectives import Limit, Objective, at_least, at_most, maximize, minimize
from nas.description import AUTO
from nas.files import is_file
from nas.search.arguments import name_of, pauses_by_plan, uri_of
from nas.search.search import Search
from search_spaces.catalog import catalog, load, model_for, recipe_for
from search_spaces.errors import FormatError, NasError, SearchError, UnknownNameError
from search_spaces.signature import Signature
from search_spaces.space import Space
from workers import problems


def assemble(
    problem: str,
    space: str | None,
    controller: str,
    *,
    data: Mapping[str, Any] | None = None,
    maximize: Sequence[str] = (),
    minimize: Sequence[str] = (),
    limits: Sequence[str] = (),
    plain: bool = True,
    **options: Any,
) -> Search:
    """Returns the search that names describe.

    Args:
        problem, space, controller: names of the catalogs; ``space`` may be a JSON file too, and None is what
            fits the problem; ``controller`` may be ``auto``: with a time, trials pause as the plan chooses.
        data: the options of the problem.
        maximize, minimize: metrics; none of either: the problem's own objective.
        limits: texts such as ``num_params<=100000``.
        plain: whether to begin with the plain network of the space.
        options: more arguments of `Search`.

    Raises:
        NasError: a name that does not exist, text that cannot be read, or options that do not go together.
    """
    if controller == AUTO and not plain:
        raise SearchError(
            "--without-plain: not with --controller auto, the default, which begins with the plain network; "
            "name another, such as --controller evolution"
        )
    pauses = _pauses(options.get("fidelity")) or pauses_by_plan(controller, options)
    loaded = problems.load(problem, **(data or {}))
    return Search(
        read_space(space, loaded.signature, epochs_for(len(loaded.train)), pauses=pauses),
        loaded,
        controller,
        objectives=_objectives(maximize, minimize) or None,
        limits=[read_limit(text) for text in limits],
        first=[{}] if plain else [],
        **options,
    )


def _pauses(fidelity: Fidelity | None) -> bool:
    return fidelity is not None and not isinstance(fidelity, FullBudget)


def epochs_for(examples: int) -> int:
    """Returns the number of epochs that tell networks apart: fewer, the more training data there are."""
    return min(12, max(3, round(40_000 / examples)))


def read_space(name: str | None, signature: Signature, epochs: int = 12, *, pauses: bool = False) -> Space:
    """Returns a space of the catalog with a space of recipes, or the space in a JSON file.

    Args:
        name: the name of the space, or the file; None: the space that fits the signature.
        signature: what networks must serve.
        epochs: the number of epochs of each recipe.
        pauses: whether trials pause; see `search_spaces.catalog.recipe_for`.

    Raises:
        UnknownNameError: the catalog has no such space.
        FormatError: the file holds no space.
    """
    if name is not None and name.endswith(".json"):
        try:
            return Space.from_json(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, FormatError) as error:
            raise FormatError(f"space {name}: {error}") from error
    name = model_for(signature) if name is None else name
    wants = name in catalog and "signature" in inspect.signature(catalog[name]).parameters
    model = load(name, signature=signature) if wants else load(name)
    return Space({"model": model, "recipe": recipe_for(signature, epochs, pauses=pauses)})


def read_limit(text: str) -> Limit:
    """Returns the limit that ``metric<=number`` or ``metric>=number`` says.

    Raises:
        SearchError: it says neither.
    """
    match = re.fullmatch(r"\s*([\w.]+)\s*(<=|>=)\s*([-+\d._eE]+)\s*", text)
    try:
        if match is None:
            raise ValueError
        bound = float(match[3])
    except ValueError:
        raise SearchError(f"limit {text!r}: expected something like 'num_params<=100000'") from None
    return at_most(match[1], bound) if match[2] == "<=" else at_least(match[1], bound)


def read_fidelity(name: str | None, epochs: int | None, min_epochs: int | None) -> Fidelity | None:
    """Returns the fidelity of a name, with the epochs that were given.

    Raises:
        UnknownNameError: there is none of that name.
        SearchError: epochs before a pause, and nothing that pauses.
        ControllerError: epochs that do not go together.
    """
    if min_epochs is not None and name in (None, "full"):
        raise SearchError(f"--min-epochs {min_epochs}: without --fidelity asha or hyperband no trial pauses")
    if name is None:
        return None
    if name not in fidelities:
        raise UnknownNameError("fidelity", name, fidelities)
    given = {"max_epochs": epochs, "min_epochs": min_epochs}
    return fidelities[name](**{key: value for key, value in given.items() if value is not None})


def from_file(
    file: Path,
    *,
    store: str | None,
    executor: Any,
    name: str | None,
    trials: int | None,
    seconds: float | None,
    target: float | None,
    checkpoints: str | None = None,
) -> Search:
    """Returns the search that a Python file describes as ``search = Search(...)``.

    Args:
        file: the Python file; it is run.
        store, executor, name: what takes the place of the file's; None: the file's own.
        trials, seconds, target: another end in place of the file's; all None: the file's own.
        checkpoints: another place for the trials in training; None: the file's own.

    Raises:
        SearchError: there is no such file, it fails, or it describes no search.
    """
    module = run_file(file)
    search = getattr(module, "search", None)
    if not isinstance(search, Search):
        raise SearchError(f"{file}: expected a line like `search = Search(...)`, found no such search")
    search.store = search.store if store is None else store
    search.executor = search.executor if executor is None else executor
    search.name = search.name if name is None else name_of(name)
    search.description = search.description.with_end(trials, seconds, target)
    if checkpoints is not None:
        search.description = replace(search.description, checkpoints=uri_of(checkpoints))
    return search


def run_file(file: Path) -> ModuleType:
    """Run a Python file of the user's, as a module: afterwards the classes in it can be named in JSON.

    Raises:
        SearchError: there is no such file, or it fails.
    """
    if not is_file(file) or file.suffix != ".py":
        raise SearchError(f"{file}: expected a Python file")
    spec = importlib.util.spec_from_file_location(file.stem, file.resolve())
    assert spec is not None
    assert spec.loader is not None
    there = sys.modules.get(file.stem)
    if there is not None and getattr(there, "__file__", None) != str(file.resolve()):
        raise SearchError(f"{file}: there is a module {file.stem!r} already: give the file another name")
    before = set(sys.modules)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    sys.path.insert(0, str(file.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[file.stem]
        kind = "" if isinstance(error, NasError) else f"{type(error).__name__}: "
        raise SearchError(f"{file}: {kind}{error}") from error
    _ship([module, *(sys.modules[name] for name in set(sys.modules) - before)], file.parent.resolve())
    return module


def _ship(modules: Iterable[ModuleType], folder: Path) -> None:
    """Let what these modules define travel to the workers whole, not by name: only this process knows them.

    Those beside the file only; what is installed is there on the workers too.
    """
    from ray import cloudpickle

    for module in modules:
        origin = getattr(module, "__file__", None)
        if origin is None or "site-packages" in origin:
            continue
        if Path(origin).resolve().is_relative_to(folder):
            cloudpickle.register_pickle_by_value(module)


def _objectives(up: Sequence[str], down: Sequence[str]) -> list[Objective]:
    return [*map(maximize, up), *map(minimize, down)]
