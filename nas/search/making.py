"""The controller and the fidelity of a search, made anew for each run from what was given."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from controllers import catalog
from controllers.base import Controller
from controllers.fidelity import Fidelity, FullBudget
from controllers.inherited_first import InheritedFirst
from controllers.objectives import Limit, Objective
from controllers.planner import UndecidedController
from controllers.prior import Prior
from nas.description import AUTO, Description
from nas.search.arguments import check_controller
from search_spaces.errors import NasError, SearchError, UnknownNameError
from search_spaces.space import Space
from workers.recipe import Recipe

C = TypeVar("C", bound=Controller)


def made_controller(
    given: str | Controller | Callable[..., Controller],
    space: Space,
    objectives: tuple[Objective, ...],
    limits: tuple[Limit, ...],
    seed: int,
    prior: Prior | None,
) -> Controller:
    """Returns a new controller, as it was given: a run may have to begin again from nothing.

    Args:
        given: its name, what makes it, or one that is not to be changed.
        space: the space of the search.
        objectives: the objectives of the search.
        limits: the limits of the search.
        seed: the seed, where it is made here.
        prior: what is expected of the decisions; None: nothing.

    Raises:
        UnknownNameError: there is no controller of that name.
        SearchError: what was given makes none, or one for something else.
    """
    if isinstance(given, Controller):
        return with_prior(copy.deepcopy(check_controller(given, space, objectives, limits)), prior)
    if given == AUTO:
        given = UndecidedController
    elif isinstance(given, str):
        if given not in catalog:
            raise UnknownNameError("controller", given, [AUTO, *catalog])
        given = catalog[given]
    try:
        made = given(space, objectives, limits=limits, seed=seed)
    except NasError:
        raise
    except Exception as error:  # of a class or function of somebody's own
        raise SearchError(
            "controller: expected what makes one when called as (space, objectives, limits=, seed=); "
            f"{given!r:.80} raised {type(error).__name__}: {error!s:.200}"
        ) from error
    return with_prior(check_controller(made, space, objectives, limits), prior)


def with_prior(controller: C, prior: Prior | None) -> C:
    """Returns a controller that begins near what is expected to be good, if there is anything."""
    if prior is not None:
        controller.use_prior(prior)
    return controller


def made_fidelity(given: Fidelity | None, description: Description, space: Space) -> Fidelity | None:
    """Returns a new fidelity; with shared weights one that scores networks with them first.

    Args:
        given: the fidelity of those that are trained, which is not changed; None: each in full.
        description: the description of the search.
        space: its space, whose plain network says for how many epochs where nothing else does.
    """
    fidelity = copy.deepcopy(given)
    if description.weights == "own":
        return fidelity
    epochs = description.budget.epochs or Recipe.of(space.plain()).epochs
    return InheritedFirst(fidelity or FullBudget(description.budget.epochs), epochs)
