"""What a search is, in plain data: enough to list it, check it and, where all is known by name, redo it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from controllers.base import Controller
from controllers.objectives import Limit, Objective
from search_spaces.errors import FormatError, SearchError, SpaceError, StoreError
from search_spaces.signature import Signature
from search_spaces.space import Space


@dataclass(frozen=True)
class Budget:
    """When a search ends: at the first of these that is reached. None means without that end.

    Attributes:
        trials: networks trained, failed ones included.
        seconds: wall-clock time of the search's drivers together.
        target: value of the first objective.
        trial_seconds: time for one trial; a longer one fails with reason ``timeout``.
        epochs: for every trial, in place of its recipe's.
    """

    trials: int | None = None
    seconds: float | None = None
    target: float | None = None
    trial_seconds: float | None = None
    epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "seconds", "trial_seconds"):
            value = getattr(self, name)
            whole = name in ("trials", "epochs")
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value <= 0:
                raise SearchError(
                    f"{name}: expected a {'whole ' if whole else ''}number above 0, got {value!r}"
                )


@dataclass(frozen=True)
class Description:
    """What a search is.

    Attributes:
        space: JSON of the space; None where it holds what JSON cannot.
        problem: its name; with its ``options`` it can be loaded again where it is of the catalog.
        options: of the problem.
        signature: of the problem.
        controller: the name of its class, of the catalog or of the user's own.
        settings: of the controller, beside space, objectives, limits and seed.
        objectives, limits: of the search.
        budget: when it ends.
        seed: of the controller and of every training.
        keep_weights: of how many of the best networks the weights are kept.
    """

    space: str | None
    problem: str
    options: Mapping[str, Any]
    signature: Signature
    controller: str
    settings: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    budget: Budget
    seed: int
    keep_weights: int
    metrics: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        data = asdict(self)
        return data | {"signature": self.signature.to_dict()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Description:
        """What `to_dict` wrote.

        Raises:
            FormatError: it is not that.
        """
        try:
            return Description(
                space=data["space"],
                problem=data["problem"],
                options=data["options"],
                signature=Signature.from_dict(data["signature"]),
                controller=data["controller"],
                settings=data["settings"],
                objectives=tuple(Objective(**objective) for objective in data["objectives"]),
                limits=tuple(Limit(**limit) for limit in data["limits"]),
                budget=Budget(**data["budget"]),
                seed=data["seed"],
                keep_weights=data["keep_weights"],
                metrics=tuple(data["metrics"]),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(f"not the description of a search: {error!r}") from error

    def with_budget(self, **changes: Any) -> Description:
        """The same search with another end; values of None change nothing."""
        return replace(
            self, budget=replace(self.budget, **{k: v for k, v in changes.items() if v is not None})
        )

    def load_space(self, modules: Iterable[Callable[..., Any]] | None = None) -> Space:
        """The space, from its JSON.

        Raises:
            StoreError: it was not kept, for it holds what JSON cannot.
            FormatError: it uses classes that are not known here; pass them as ``modules``.
        """
        if self.space is None:
            raise StoreError("the space of this search was not kept (it holds objects that are no data)")
        return Space.from_json(self.space, modules)


def space_json(space: Space) -> str | None:
    """The JSON of a space, or None where it holds what JSON cannot."""
    try:
        return space.to_json()
    except SpaceError:
        return None


def controller_name(controller: Controller) -> str:
    """The name of a controller's class in the catalog, else its full name."""
    from controllers import catalog

    kind = type(controller)
    for name, known in catalog.items():
        if known is kind:
            return name
    return f"{kind.__module__}.{kind.__qualname__}"
