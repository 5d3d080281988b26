"""The recipe: how a network is trained. Part of an architecture, so that it can be searched with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from search_spaces.errors import RecipeError

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_LEARNING_RATES = {"adamw": 4e-3, "adam": 4e-3, "sgd": 0.05}


class Recipe(BaseModel):
    """How a network is trained; every field has a default that does well on small sets.

    Attributes:
        optimizer: ``adamw`` (Loshchilov & Hutter 2019), ``adam``, or ``sgd`` (Nesterov momentum).
        learning_rate: the peak of the schedule; left out, 0.004, or 0.05 with ``sgd``.
        weight_decay: decoupled with ``adamw``, an L2 term of the gradient otherwise.
        momentum: of ``sgd``; the others do not use it.
        schedule: of the learning rate over all steps: ``cosine`` down to 0, ``onecycle`` (Smith & Topin 2018:
            up for 30 %, then down to 0), or ``constant``.
        batch_size: examples per step.
        augmentation: of image inputs while training: ``off``, ``shift`` (moved by up to an eighth of the
            side) or ``cutout`` (a random square of a quarter of the side is zeroed; DeVries & Taylor 2017).
        epochs: passes over the training split.
        precision: of the arithmetic on a GPU: ``float32`` or ``bfloat16`` (autocast). A CPU uses float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Positive = _LEARNING_RATES["adamw"]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["cosine", "constant", "onecycle"] = "onecycle"
    batch_size: Annotated[int, Field(ge=1)] = 32
    augmentation: Literal["off", "shift", "cutout"] = "off"
    epochs: Annotated[int, Field(ge=1)] = 12
    precision: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_optimizer(cls, values: Any) -> Any:
        if isinstance(values, dict) and "learning_rate" not in values:
            rate = _LEARNING_RATES.get(str(values.get("optimizer", "adamw")), _LEARNING_RATES["adamw"])
            return {**values, "learning_rate": rate}
        return values

    @staticmethod
    def make(values: Mapping[str, Any]) -> Recipe:
        """The recipe with these fields, the others at their defaults.

        Raises:
            RecipeError: an unknown field, or a value that is none for it; names both.
        """
        try:
            return Recipe(**values)
        except (ValidationError, TypeError) as error:
            raise RecipeError(_explained(error)) from error

    @staticmethod
    def of(architecture: Architecture) -> Recipe:
        """The recipe in an architecture: ``value["recipe"]``; all defaults where it has none.

        Raises:
            RecipeError: as `make`.
        """
        value = architecture.value
        found = value.get("recipe", {}) if isinstance(value, Mapping) else {}
        if not isinstance(found, Mapping):
            raise RecipeError(f"recipe: expected a dict of fields, got {found!r}")
        return Recipe.make(found)


def _explained(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return f"recipe: {error}"
    problems = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            problems.append(f"recipe.{name}: no such field (there are: {', '.join(Recipe.model_fields)})")
        else:
            problems.append(f"recipe.{name}: {problem['msg']}, got {problem['input']!r}")
    return "; ".join(problems)
