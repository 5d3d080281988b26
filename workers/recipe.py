"""The recipe: how a network is trained. Part of an architecture, so that it can be searched with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from search_spaces.arguments import Count, Whole, checked, plain
from search_spaces.bounds import MOST
from search_spaces.errors import RecipeError, nearest

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture

Positive = Annotated[float, Field(gt=0)]

NotNegative = Annotated[float, Field(ge=0)]

LossMethod = Literal["equal", "static", "uncertainty", "dwa", "random"]
GradientMethod = Literal["pcgrad", "cagrad", "mgda", "nash", "upgrad", "aligned"]
Alignment = Literal["none", "contrastive", "infonce", "mmd", "adversarial"]
Sampling = Literal["mixed", "round_robin", "proportional", "uncertainty", "alternate"]

_LEARNING_RATES = {"adamw": 4e-3, "adam": 4e-3, "sgd": 0.05}


class Recipe(BaseModel):
    """How a network is trained; every field has a default that does well on small sets.

    Attributes:
        optimizer: ``adamw`` (Loshchilov & Hutter 2019), ``adam``, or ``sgd`` (Nesterov momentum).
        learning_rate: the peak of the schedule; left out, 0.004, or 0.05 with ``sgd``.
        weight_decay: decoupled with ``adamw``, an L2 term of the gradient otherwise.
        momentum: the momentum of ``sgd``; the others do not use it.
        schedule: the learning rate over all steps: ``cosine`` down to 0, ``onecycle`` (Smith & Topin 2018:
            up for 30 %, then down to 0), ``wsd`` (warm-up, stable, decay: up for 5 % of the steps of
            ``epochs``, then level, and down to 0 in the last sixth of the epochs that are trained; Hu et al.
            2024; Hägele et al. 2024) or ``constant``. The last two suit trials that pause (see
            `stable_epochs`), ``onecycle`` and ``cosine`` those that are trained to their end.
        batch_size: the examples in each step.
        augmentation: how images and series are changed while training: ``off``, ``shift`` (images are moved
            by up to an eighth of the side, series scaled and shifted in their values; Um et al. 2017) or
            ``cutout`` (a random square or span of a quarter of the side is zeroed; DeVries & Taylor 2017,
            Park et al. 2019).
        standardise: whether the network standardises its inputs that are numbers, and the targets of
            regressions and maps of numbers, by means and standard deviations of the training split: so data
            come, and answers are, in units of any size (LeCun et al. 1998, section 4.3). Not for models that
            take numbers for something else, such as indices.
        epochs: the passes over the training split.
        ema_decay: the decay of an exponential moving average of the weights, such as 0.999; the average is
            scored and kept in their place (see `workers.training.averaging`). 0: there is none.
        precision: the arithmetic on a GPU: ``float32``, where torch's own settings say whether convolutions
            (by default) and products of matrices (not) may use TF32; or ``bfloat16`` by autocast over weights
            in float32. A CPU uses float32.
        balancing: how several tasks are balanced, by their losses (see `workers.training.balancing`) or by
            their gradients. Of the losses: ``equal``, the sum; ``static``, by ``task_weights``;
            ``uncertainty``, by learned variances (Kendall et al. 2018); ``dwa``, by how fast they fall (Liu
            et al. 2019); ``random`` (Lin et al. 2022). Of the gradients on what they share (see
            `workers.training.gradient_balancing`), at a backward pass for each task: ``pcgrad`` (Yu et al.
            2020), ``cagrad`` (Liu et al. 2021), ``mgda`` (Sener & Koltun 2018), ``nash`` (Navon et al. 2022),
            ``upgrad`` (Quinton & Rey 2024) or ``aligned`` (Senushkin et al. 2023). A lone task has nothing to
            be balanced with.
        task_weights: the weight of each task, for ``static`` alone; 1 for a task that is left out.
        sampling: how examples of several domains are drawn; see `workers.training.sampling.Sampler`.
        modality_dropout: the share of an example's modalities that are left out while training, at random in
            each step; one of those that it has always stays (Neverova et al. 2016).
        tie: the weight of the squared distance between copies of a stage that are shared softly (Duong et al.
            2015); of no effect in other networks.
        alignment: how the embeddings of one example's modalities are brought together, in networks that have
            embeddings of two or more; see `workers.training.alignment`: ``contrastive`` (with a margin;
            Hadsell et al. 2006), ``infonce`` (van den Oord et al. 2018; Radford et al. 2021), ``mmd``
            (Gretton et al. 2012; Long et al. 2015) or ``adversarial`` (Ganin et al. 2016).
        alignment_weight: the weight of its loss beside those of the tasks.
        orthogonality: the weight of the penalty on what private features have in common with shared ones, and
            of the domains' confusion in the shared ones where there are several (Liu, Qiu & Huang 2017); of
            no effect in networks without private features.
        label_smoothing: the share of a label that is spread evenly over all classes in training, of tasks of
            one or several labels (Szegedy et al. 2016, section 7).
        focal: how much less an example counts in training the better it is answered, of such tasks: its loss
            is multiplied by ``(1 - p) ** focal``, where ``p`` is the probability of what is right (Lin et al.
            2017, equation 4); 0: all count alike.
        class_weights: how much an example counts in training by its class, of classes with and without an
            order, and by whether it has each of several labels: ``none``, all alike; or ``balanced``, by
            the inverse of the share of its class in the training split, 1 in the mean (King & Zeng 2001). All
            three leave validation losses as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Positive = _LEARNING_RATES["adamw"]
    weight_decay: NotNegative = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["cosine", "constant", "onecycle", "wsd"] = "onecycle"
    batch_size: Annotated[int, Field(ge=1)] = 32
    augmentation: Literal["off", "shift", "cutout"] = "off"
    standardise: bool = True
    epochs: Annotated[int, Field(ge=1, le=MOST.epochs)] = 12
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    balancing: Literal[LossMethod, GradientMethod] = "equal"
    task_weights: dict[str, Positive] = {}
    sampling: Sampling = "mixed"
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    tie: NotNegative = 0.01
    alignment: Alignment = "none"
    alignment_weight: NotNegative = 0.1
    orthogonality: NotNegative = 0.05
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal: NotNegative = 0.0
    class_weights: Literal["none", "balanced"] = "none"

    @checked(RecipeError)
    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise RecipeError(_explained(error)) from error

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_optimizer(cls, values: Any) -> Any:
        if isinstance(values, dict):
            values = {name: plain(value) for name, value in values.items()}
        if isinstance(values, dict) and "learning_rate" not in values:
            rate = _LEARNING_RATES.get(str(values.get("optimizer", "adamw")), _LEARNING_RATES["adamw"])
            return {**values, "learning_rate": rate}
        return values

    @checked(RecipeError)
    def stable_epochs(self, epochs: Count) -> int:
        """Returns the first epochs of a training of so many in which its length makes no difference.

        A trial that pauses there may go on to any other end. With ``wsd`` the decay that follows them is a
        fifth as long as they are, rounded up to whole epochs; `epochs_to_finish` is the other way round.
        """
        if self.schedule == "wsd":
            return epochs * 5 // 6
        return epochs if self.schedule == "constant" else 0

    @checked(RecipeError)
    def epochs_to_finish(self, stable: Whole) -> int | None:
        """Returns the length of the shortest training in which these first epochs are stable.

        A trial that has paused after them and is to finish gets it as its `workers.job.Job.epochs`. None: by
        this schedule a trial ends as it was planned.
        """
        if self.schedule == "wsd":
            return stable + max(1, -(-stable // 5))
        return max(1, stable) if self.schedule == "constant" else None

    @staticmethod
    @checked(RecipeError)
    def make(values: Mapping[str, Any]) -> Recipe:
        """Makes the recipe with these fields, the others at their defaults.

        Raises:
            RecipeError: there is an unknown field, or a value that is none for it; the message names both.
        """
        return Recipe(**values)

    @staticmethod
    @checked(RecipeError)
    def of(architecture: Architecture) -> Recipe:
        """Returns the recipe in an architecture: ``value["recipe"]``; all defaults where it has none.

        Raises:
            RecipeError: it is no recipe; see `make`.
        """
        value = architecture.value
        found = value.get("recipe", {}) if isinstance(value, Mapping) else {}
        if not isinstance(found, Mapping):
            raise RecipeError(f"recipe: expected a dict of fields, got {found!r}")
        return Recipe.make(found)


def _explained(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            there = ", ".join(Recipe.model_fields)
            hint = nearest(name, Recipe.model_fields)
            problems.append(f"recipe.{name}: no such field{hint} (there are: {there})")
        else:
            problems.append(f"recipe.{name}: {problem['msg']}, got {problem['input']!r:.80}")
    return "; ".join(problems)
