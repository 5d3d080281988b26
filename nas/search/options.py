"""The arguments of a search, checked and made into what they stand for."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers import catalog
from controllers.base import Controller
from controllers.fidelity import Fidelity
from controllers.fidelity import catalog as fidelities
from controllers.objectives import Limit, Objective
from nas.description import COSTS, Description, SearchRecord
from search_spaces.architecture import Architecture
from search_spaces.errors import DecisionError, SearchError, UnknownNameError
from search_spaces.holes import Value
from search_spaces.space import Space
from workers.executor import Executor
from workers.executors import catalog as executors

if TYPE_CHECKING:
    from workers.problems import Problem
    from workers.tabular import Table

_ROWS = 64  # of each tensor, in a fingerprint


def problem_of(problem: Problem | Table | str) -> Problem | Table:
    """A problem or a table, from itself or its name in the catalog."""
    from workers.problems import Problem, load
    from workers.tabular import Table

    if isinstance(problem, str):
        return load(problem)
    if not isinstance(problem, Problem | Table):
        raise SearchError(f"problem: expected a Problem or a name of the catalog, got {problem!r:.80}")
    return problem


def objectives_of(
    objectives: Objective | Sequence[Objective] | None, controller: object, problem: Problem | Table
) -> tuple[Objective, ...]:
    """The objectives: those given, else the controller's, else the problem's."""
    if objectives is None:
        if isinstance(controller, Controller):
            return controller.objectives
        metric, direction = problem.objective
        return (Objective(metric, direction),)  # type: ignore[arg-type]
    found = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
    if not found or not all(isinstance(objective, Objective) for objective in found):
        raise SearchError(f"objectives: expected some, such as maximize('accuracy'), got {objectives!r}")
    return found


def limits_of(limits: Limit | Sequence[Limit] | None, controller: object) -> tuple[Limit, ...]:
    """The limits: those given, else the controller's."""
    if limits is None:
        return controller.limits if isinstance(controller, Controller) else ()
    found = (limits,) if isinstance(limits, Limit) else tuple(limits)
    if not all(isinstance(limit, Limit) for limit in found):
        raise SearchError(f"limits: expected such as at_most('num_params', 100_000), got {limits!r}")
    return found


def first_of(first: object, space: Space) -> tuple[dict[str, Value], ...]:
    """The decisions of the networks that a search begins with, each different from those before it."""
    if isinstance(first, Mapping | str) or not isinstance(first, Iterable):
        raise SearchError(f"first: expected a list of architectures or of their decisions, got {first!r:.80}")
    found: dict[str, dict[str, Value]] = {}
    for place, given in enumerate(first):
        decisions = given.decisions if isinstance(given, Architecture) else given
        try:
            architecture = space.plain(decisions)
        except DecisionError as error:
            raise SearchError(f"first[{place}]: {error}") from error
        found.setdefault(architecture.id, dict(architecture.decisions))
    return tuple(found.values())


def name_of(name: object) -> str | None:
    """The name of a search, which people will have to type."""
    if name is None:
        return None
    good = isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() and name == name.strip()
    if not isinstance(name, str) or not good or name.startswith("-"):
        raise SearchError(
            "name: expected up to 200 printable characters without a space at the ends or a dash in front, "
            f"got {name!r:.80}"
        )
    return name


def fidelity_of(fidelity: Fidelity | str | None, epochs: int | None) -> Fidelity | None:
    """How long trials train: a new fidelity, from one of its kind or its name."""
    if fidelity is None:
        return None
    if isinstance(fidelity, str):
        if fidelity not in fidelities:
            raise UnknownNameError("fidelity", fidelity, fidelities)
        settings: dict[str, Any] = {} if epochs is None else {"max_epochs": epochs}
        return fidelities[fidelity](**settings)
    if not isinstance(fidelity, Fidelity):
        raise SearchError(f"fidelity: expected one, such as 'asha', got {fidelity!r:.80}")
    if epochs is not None and fidelity.max_epochs != epochs:
        raise SearchError(
            f"epochs: {epochs}, but the fidelity's max_epochs is {fidelity.max_epochs}: say one"
        )
    return copy.deepcopy(fidelity)


def uri_of(folder: str | Path | None) -> str | None:
    """A folder for workers on any machine: a path is made absolute, a URI stays."""
    if folder is None or "://" in str(folder):
        return None if folder is None else str(folder)
    return str(Path(folder).expanduser().resolve())


def executor_of(executor: str | Executor) -> Executor:
    """An executor, from itself or its name."""
    return executor if isinstance(executor, Executor) else executors.find(str(executor))()


def check_controller(
    controller: object, space: Space, objectives: tuple[Objective, ...], limits: tuple[Limit, ...]
) -> Controller:
    """A controller that was made elsewhere must be one for the same space, objectives and limits.

    It may know no limits at all: then what breaks one is a failure to it.
    """
    if not isinstance(controller, Controller):
        raise SearchError(f"controller: expected a Controller or its name, got {controller!r:.80}")
    if controller.space is not space and controller.space.holes() != space.holes():
        raise SearchError("controller: it was made for another space than the search's")
    for what, mine, its in (
        ("objectives", objectives, controller.objectives),
        ("limits", limits, controller.limits or limits),
    ):
        if mine != its:
            raise SearchError(
                f"controller: the {what} it was made with are {', '.join(map(str, its))}, "
                f"the search's are {', '.join(map(str, mine)) or 'none'}"
            )
    return controller


def check_metrics(description: Description) -> None:
    """Every metric of an objective or a limit must be one that is measured."""
    known = (*description.metrics, *sorted(COSTS))
    wanted = [o.metric for o in description.objectives] + [limit.metric for limit in description.limits]
    for metric in wanted:
        if metric not in known:
            raise UnknownNameError("metric", metric, known)


def settings_of(controller: Controller) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings of a controller that JSON can hold, and the names of the others."""
    kept: dict[str, Any] = {}
    others: list[str] = []
    for name, value in controller.settings.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        if same:
            kept[name] = value
        else:
            others.append(name)
    return kept, tuple(others)


def fingerprint(problem: Problem | Table) -> str:
    """16 hex digits that tell the data of a problem from others: shapes and some rows of each tensor.

    Masks and domains count whole: what is dropped from the same examples makes another problem. Of a table:
    some of its answers.
    """
    from workers.tabular import Table

    digest = hashlib.sha256()
    if isinstance(problem, Table):
        for number in range(_ROWS):
            answer = problem.answer(problem.space.sample(random.Random(number)))
            digest.update(repr(answer and (dict(answer.metrics), answer.seconds)).encode())
        return digest.hexdigest()[:16]
    for part in (problem.train, problem.validation, problem.test):
        for name, tensor in (*part.inputs.items(), *part.targets.items()):
            rows = tensor[:: max(1, len(tensor) // _ROWS)][:_ROWS].cpu().contiguous().numpy()
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(rows.tobytes())
        for what, masks in (("present", part.present), ("labelled", part.labelled)):
            for name, mask in masks.items():
                digest.update(f"{what} {name}".encode() + mask.cpu().numpy().tobytes())
        if part.domain is not None:
            digest.update(b"domain" + part.domain.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def arguments_of(record: SearchRecord, modules: Iterable[Callable[..., Any]] | None = None) -> dict[str, Any]:
    """The arguments of `nas.search.Search` that describe this search again: all but where it runs.

    Args:
        record: of the search.
        modules: classes of your own that its space uses.

    Raises:
        SearchError: its problem, controller or fidelity is not of the catalog.
    """
    from workers.problems import catalog as problems
    from workers.problems import load

    found = record.description

    def check(kind: str, came: str, known: Any) -> None:
        if came not in known:
            raise SearchError(
                f"search {record.name!r}: its {kind} {came!r} is your own: "
                "go on with the file that describes the search (nas resume my_search.py)"
            )

    check("problem", found.problem, problems)
    check("controller", found.controller, catalog)
    if found.more_settings:
        raise SearchError(
            f"search {record.name!r}: settings of its controller were not kept "
            f"({', '.join(found.more_settings)}): go on with the file that describes the search"
        )

    def controller(space: Space, objectives: Any, **options: Any) -> Controller:
        return catalog[found.controller](space, objectives, **options, **found.settings)

    fidelity = None
    if found.fidelity is not None:
        check("fidelity", found.fidelity["name"], fidelities)
        fidelity = fidelities[found.fidelity["name"]](**found.fidelity["settings"])
    budget = found.budget
    return {
        "space": found.load_space(modules),
        "problem": load(found.problem, **found.options),
        "controller": controller,
        "objectives": found.objectives,
        "limits": found.limits,
        "trials": budget.trials,
        "seconds": budget.seconds,
        "target": budget.target,
        "seed": found.seed,
        "name": record.name,
        "trial_seconds": budget.trial_seconds,
        "trial_memory": budget.trial_memory,
        "trial_silence": budget.trial_silence,
        "epochs": budget.epochs,
        "keep_weights": found.keep_weights,
        "fidelity": fidelity,
        "checkpoints": found.checkpoints,
        "checkpoint_seconds": found.checkpoint_seconds,
        "reuse_results": found.reuse_results,
        "inherit_weights": found.inherit_weights,
        "first": found.first,
    }
