"""The arguments of a search, checked and made into what they stand for, and read back from a description."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers import catalog
from controllers.base import Controller
from controllers.fidelity import Fidelity, Stages
from controllers.fidelity import catalog as fidelities
from controllers.objectives import Limit, Objective
from nas.description import (
    AUTO,
    COSTS,
    DEFAULT_TRIALS,
    HOURS,
    PEAK_MEMORY,
    Budget,
    Description,
    controller_name,
    fidelity_json,
    space_json,
)
from nas.passwords import refuse_passwords
from nas.search.fingerprint import fingerprint, older_fingerprint
from nas.search.hints import hints_of
from nas.search.notices import warnings_of
from nas.search.options import SearchOptions
from nas.search.user_code import code_of
from nas.search_record import SearchRecord
from search_spaces.architecture import Architecture
from search_spaces.errors import DecisionError, SearchError, UnknownNameError
from search_spaces.holes import Value
from search_spaces.signature import Input, Signature, Task
from search_spaces.space import Space
from workers import problems
from workers.executor import Executor
from workers.executors import catalog as executors
from workers.problems.measures import shares_of
from workers.recipe import Recipe
from workers.tabular import Table
from workers.zero_cost import catalog as scores
from workers.zero_cost import metrics

if TYPE_CHECKING:
    from workers.problems import Problem

_NOT_NEGATIVE = COSTS | {PEAK_MEMORY}
_ON_MACHINES = (
    "set what fsspec reads on every machine, such as FSSPEC_FTP_PASSWORD, AWS_SECRET_ACCESS_KEY or a file in "
    "~/.config/fsspec"
)
_NO_PASSWORD = f"the store keeps it, and with it the password: leave that out, and {_ON_MACHINES}"
_OLD_PASSWORD = (
    "an older version kept the password with it: go on with --checkpoints (checkpoints=), the same place "
    f"without the password, and {_ON_MACHINES}"
)


def space_of(space: object) -> Space:
    """Returns a space, from itself or what it is made of."""
    if isinstance(space, Space):
        return space
    if space is None or isinstance(space, str | int | float) or callable(space):
        raise SearchError(
            f"space: expected a Space, such as cnn() or Space(sequential(layer(...), ...)), got {space!r:.80}"
        )
    return Space(space)


def problem_of(problem: Problem | Table | str) -> Problem | Table:
    """Returns a problem or a table, from itself or its name in the catalog."""
    if isinstance(problem, str):
        return problems.load(problem)
    if not isinstance(problem, Table | problems.Problem):
        raise SearchError(f"problem: expected a Problem or a name of the catalog, got {problem!r:.80}")
    return problem


def _several(given: Any) -> tuple[Any, ...] | None:
    """What is given one after another, as a tuple; None where it cannot be gone through."""
    try:
        return tuple(given)
    except TypeError:
        return None


def objectives_of(
    objectives: Objective | Sequence[Objective] | None, controller: object, problem: Problem | Table
) -> tuple[Objective, ...]:
    """Returns the objectives: those given, else the controller's, else the problem's."""
    if objectives is None:
        if isinstance(controller, Controller):
            return controller.objectives
        metric, direction = problem.objective
        return (Objective(metric, direction),)  # type: ignore[arg-type]
    found = (objectives,) if isinstance(objectives, Objective) else _several(objectives)
    if not found or not all(isinstance(objective, Objective) for objective in found):
        raise SearchError(f"objectives: expected some, such as maximize('accuracy'), got {objectives!r:.80}")
    return found


def limits_of(limits: Limit | Sequence[Limit] | None, controller: object) -> tuple[Limit, ...]:
    """Returns the limits: those given, else the controller's."""
    if limits is None:
        return controller.limits if isinstance(controller, Controller) else ()
    found = (limits,) if isinstance(limits, Limit) else _several(limits)
    if found is None or not all(isinstance(limit, Limit) for limit in found):
        raise SearchError(f"limits: expected such as at_most('num_params', 100_000), got {limits!r:.80}")
    check_limits(found)
    return found


def check_limits(limits: Sequence[Limit]) -> None:
    """Refuses limits that no network can meet, whatever the space.

    Raises:
        SearchError: a cost that is to be below 0, or two limits that exclude each other.
    """
    for limit in limits:
        end = math.inf if limit.at_least else -math.inf
        if limit.bound == end or (limit.metric in _NOT_NEGATIVE and not limit.at_least and limit.bound < 0):
            raise SearchError(f"limits: no network meets {limit}: {limit.metric} is never so")
        for other in limits:
            opposite = limit.metric == other.metric and limit.at_least and not other.at_least
            if opposite and limit.bound > other.bound:
                raise SearchError(f"limits: no network meets both {limit} and {other}")


def first_of(first: object, space: Space) -> tuple[dict[str, Value], ...]:
    """Returns the decisions of the networks that a search begins with, each another network."""
    several = None if isinstance(first, Mapping | str) else _several(first)
    if several is None:
        raise SearchError(f"first: expected a list of architectures or of their decisions, got {first!r:.80}")
    found: dict[str, dict[str, Value]] = {}
    for place, given in enumerate(several):
        decisions = given.decisions if isinstance(given, Architecture) else given
        try:
            architecture = space.plain(decisions)
        except DecisionError as error:
            raise SearchError(f"first[{place}]: {error}") from error
        found.setdefault(architecture.id, dict(architecture.decisions))
    return tuple(found.values())


def name_of(name: object) -> str | None:
    """Returns the name of a search, which people will have to type."""
    if name is None:
        return None
    good = isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() and name == name.strip()
    if not isinstance(name, str) or not good or name.startswith("-"):
        raise SearchError(
            "name: expected up to 200 printable characters without a space at the ends or a dash in front, "
            f"got {name!r:.80}"
        )
    return name


def pauses_by_plan(controller: object, options: Mapping[str, Any]) -> bool:
    """Whether the plan of a search is to choose where its trials pause, by its options as far as given.

    That needs a time. Results that are taken over are those of whole trainings; and what the first epochs of
    networks that inherit weights say, they say of their parents.
    """
    whole = options.get("reuse_results") or options.get("inherit_weights")
    named = options.get("fidelity") is not None
    clock = any(options.get(name) is not None for name in ("seconds", *HOURS))
    return controller == AUTO and clock and not named and not whole


def planned(
    options: SearchOptions, controller: object, problem: Problem | Table, space: Space
) -> SearchOptions:
    """Returns the options of a search with what is left to its plan where its controller is (`AUTO`).

    It begins with the plain network. Its trials pause by the plan, unless nobody knows of epochs or there are
    no more of them than the plan is made by.
    """
    if controller != AUTO:
        return options
    trains = not isinstance(problem, Table) and executor_of(options.executor).trains
    epochs = options.epochs or (Recipe.of(space.plain()).epochs if trains else 0)
    pauses = epochs > Stages.probe and pauses_by_plan(controller, vars(options))
    fidelity = AUTO if pauses else options.fidelity
    return replace(options, first=options.first or ({},), fidelity=fidelity)


def fidelity_of(fidelity: Fidelity | str | None, epochs: int | None) -> Fidelity | None:
    """Returns a new fidelity, from one of its kind or its name."""
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
    """Returns a folder for workers on any machine: a path is made absolute, a URI stays.

    Raises:
        SearchError: it has a password, which the store would show; or it is in the home of nobody.
    """
    if folder is None:
        return None
    refuse_passwords("checkpoints", [str(folder)], _NO_PASSWORD)
    if "://" in str(folder):
        return str(folder)
    try:
        return str(Path(folder).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise SearchError(f"checkpoints {str(folder)!r}: {error}") from error


def executor_of(executor: str | Executor) -> Executor:
    """Returns an executor, from itself or its name."""
    return executor if isinstance(executor, Executor) else executors.find(str(executor))()


def check_controller(
    controller: object, space: Space, objectives: tuple[Objective, ...], limits: tuple[Limit, ...]
) -> Controller:
    """Returns a controller that was made elsewhere, if it is for the same space, objectives and limits.

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


def check_metrics(description: Description, problem: Problem | Table) -> None:
    """Check that every metric of an objective or a limit is one that is measured."""
    trained = not isinstance(problem, Table)
    known = (*description.metrics, *sorted(COSTS), *([PEAK_MEMORY] if trained else []))
    if description.scores and not trained:
        raise SearchError(f"scores: the table {problem.name!r} has no networks to be scored")
    if description.hints and not trained:
        raise SearchError(f"hints: the table {problem.name!r} has no networks to be scored")
    known = tuple(dict.fromkeys([*known, *(metrics() if description.scores else ())]))
    wanted = [o.metric for o in description.objectives] + [limit.metric for limit in description.limits]
    for metric in wanted:
        if metric == PEAK_MEMORY and metric not in known:
            raise SearchError(
                f"{PEAK_MEMORY}: it is measured while networks are trained, and the table {problem.name!r} "
                f"trains none; it knows {', '.join(description.metrics)}"
            )
        if metric not in known:
            raise UnknownNameError("metric", metric, known)


def check_sharing(
    options: SearchOptions,
    space: Space,
    problem: Problem | Table,
    objectives: tuple[Objective, ...],
    limits: tuple[Limit, ...],
) -> None:
    """Check that networks can share weights, where they are to.

    Raises:
        SearchError: nothing is trained here, by this executor, there is one network alone, or something is
            asked for that only a training says.
    """
    if options.weights == "own":
        return
    executor = executor_of(options.executor)
    if isinstance(problem, Table) or not executor.trains:
        raise SearchError('weights: "shared" needs networks that are trained; a table has none: leave it out')
    if not executor.banks:
        raise SearchError(
            f'weights: "shared" does not work with {type(executor).__name__}: take "pool" or "inline"'
        )
    wanted = [*(one.metric for one in objectives), *(one.metric for one in limits)]
    if PEAK_MEMORY in wanted:
        raise SearchError(
            f'weights: "shared" does not go with {PEAK_MEMORY}: only a training measures it, and networks '
            "are scored without one"
        )
    untrained = [name for name in wanted if name.partition(".")[0] in scores and name not in COSTS]
    if options.paths == "controller" and untrained:
        raise SearchError(
            f'paths: not "controller" with {untrained[0]}, which is not measured while a bank is trained: '
            'give paths="uniform"'
        )
    if space.size() == 1:
        raise SearchError(
            'weights: "shared", but the space has a single network: nobody shares weights with it'
        )


def settings_of(controller: Controller) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns the settings of a controller that JSON can hold, and the names of the others."""
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


def description_of(
    options: SearchOptions,
    space: Space,
    problem: Problem | Table,
    controller: Controller,
    fidelity: Fidelity | None,
    given: str | Controller | Callable[..., Controller],
) -> Description:
    """Returns the description of a search: its options of the same names as they are, but for a few.

    Args:
        options: the options of the search, with its objectives and limits as they were made.
        space: the space of the search.
        problem: the problem of the search.
        controller: the controller of the search, new.
        fidelity: the fidelity of the search, new; None: each trial is trained in full.
        given: what the controller was made by, or that itself.
    """
    values = {one.name: getattr(options, one.name) for one in fields(options)}
    ends = (
        ("trials", "seconds", *HOURS)
        if options.weights == "shared"
        else ("trials", "seconds", "target", *HOURS)
    )
    if all(getattr(options, end) is None for end in ends):  # scores with shared weights reach no target
        values["trials"] = DEFAULT_TRIALS
    settings, more_settings = settings_of(controller)
    refuse_passwords("problem: its option", problem.options.values(), _NO_PASSWORD)
    made = {
        "space": space_json(space),
        "problem": problem.name,
        "options": json.loads(json.dumps(dict(problem.options), default=str)),
        "signature": problem.signature,
        "controller": controller_name(controller),
        "settings": settings,
        "more_settings": more_settings,
        "data": fingerprint(problem),
        "older_data": older_fingerprint(problem),
        "code": code_of(space, problem, executor_of(options.executor), _planner(controller, fidelity, given)),
        "metrics": tuple(problem.metrics),
        "budget": Budget(**{one.name: values[one.name] for one in fields(Budget)}),
        "fidelity": fidelity_json(fidelity),
        "checkpoints": uri_of(options.checkpoints),
        "first": first_of(options.first, space),
        "warnings": warnings_of(problem),
        "standardise": _has_numbers(problem.signature),
        "validation_examples": _examples(problem, options.objectives),
        "scores": _scores(options, problem),
        "hints": hints_of(options.hints or ()),
        "preprocessing": _preprocessing(problem),
    }
    as_given = {one.name: values[one.name] for one in fields(Description) if one.name in values}
    return Description(**as_given | made)


def _scores(options: SearchOptions, problem: Problem | Table) -> tuple[str, ...]:
    """Returns the names of the scores to take: those asked for, and those of objectives and limits.

    Raises:
        UnknownNameError: there is no score of that name.
    """
    for name in options.scores:
        scores.find(name)
    objectives, limits = (_several(one) or () for one in (options.objectives, options.limits))
    measured = {*COSTS, PEAK_MEMORY, *problem.metrics}
    wanted = [one.metric for one in (*objectives, *limits) if one.metric not in measured]
    implied = [metric.partition(".")[0] for metric in wanted]
    return tuple(dict.fromkeys([*options.scores, *(name for name in implied if name in scores)]))


def _preprocessing(problem: Problem | Table) -> dict[str, Any] | None:
    """What makes the inputs of a problem of rows, as JSON has it."""
    made = getattr(problem, "preprocessing", None)
    return None if made is None else made.to_dict()


def _has_numbers(signature: Signature) -> bool:
    """Whether an input or a task of a signature is one of real numbers."""
    kinds: list[Input | Task] = [*signature.inputs.values(), *signature.tasks.values()]
    return any(kind.scale_shape is not None for kind in kinds)


def _examples(problem: Problem | Table, objectives: Objective | Sequence[Objective] | None) -> int | None:
    """The number of validation examples of which the first objective is a share; None: it is none."""
    first = objectives if isinstance(objectives, Objective) else next(iter(objectives or ()), None)
    if first is None or isinstance(problem, Table) or first.direction != "maximize":
        return None
    tasks = problem.signature.tasks
    for name, task in tasks.items():
        before = "" if len(tasks) == 1 else f"{name}."
        if first.metric in [f"{before}{metric}" for metric in shares_of(task)]:
            return len(problem.validation.labels(name)) or None
    return None


def _planner(
    controller: Controller, fidelity: Fidelity | None, given: str | Controller | Callable[..., Controller]
) -> dict[str, Any]:
    """What decides which networks are tried and for how long: what may be code of the user's own."""
    # one of the catalog is what its name and its settings say, whatever has made it
    whole = isinstance(given, Controller) or catalog.name_of(type(controller)) is not None
    return {
        "the controller": (type(controller), controller.settings, None if whole else given),
        "the fidelity": (type(fidelity), None if fidelity is None else fidelity.settings),
    }


def arguments_of(
    record: SearchRecord,
    modules: Iterable[Callable[..., Any]] | None = None,
    checkpoints: str | Path | None = None,
) -> dict[str, Any]:
    """Returns the arguments of `nas.search.Search` that describe a search again: all but where it runs.

    Args:
        record: the record of the search.
        modules: classes of your own that its space uses.
        checkpoints: where trials in training are saved from now on; None: where they were.

    Raises:
        SearchError: its problem, controller or fidelity is not of the catalog, or an older version kept a
            password in its checkpoints.
    """
    found = record.description
    if checkpoints is None and found.checkpoints is not None:
        refuse_passwords(f"search {record.name!r}: checkpoints", [found.checkpoints], _OLD_PASSWORD)

    def check(kind: str, came: str, known: Any) -> None:
        if came not in known:
            raise SearchError(
                f"search {record.name!r}: its {kind} {came!r} is your own: "
                "go on with the file that describes the search (nas resume my_search.py); "
                "or it is of a package that is not installed here"
            )

    check("problem", found.problem, problems.catalog)
    if found.controller != AUTO:
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
    options = {one.name for one in fields(SearchOptions)}
    kept = {one.name: getattr(found, one.name) for one in fields(Description) if one.name in options}
    made = {
        "space": found.load_space(modules),
        "problem": problems.load(found.problem, **found.options),
        "controller": AUTO if found.controller == AUTO else controller,
        "name": record.name,
        "fidelity": fidelity,
    }
    kept["checkpoints"] = found.checkpoints if checkpoints is None else checkpoints
    return kept | vars(found.budget) | made
