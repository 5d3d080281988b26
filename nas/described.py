"""A search from its description, as far as a description can say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from controllers import catalog
from controllers.base import Controller
from controllers.fidelity import catalog as fidelities
from nas.description import Description
from nas.records import SearchRecord
from search_spaces.errors import SearchError
from search_spaces.space import Space


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

    found = Description.from_dict(record.description)

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
