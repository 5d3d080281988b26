"""The space of how to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.options import one_of
from search_spaces.errors import SpaceError
from search_spaces.ranges import real
from search_spaces.space import Space


@checked(SpaceError, only=("task_weights",))
def recipe(
    *,
    epochs: int = 12,
    optimizer: Sequence[str] = ("adamw", "adam", "sgd"),
    learning_rate: Any = None,
    weight_decay: Any = None,
    schedule: Sequence[str] = ("cosine", "onecycle"),
    batch_size: Sequence[int] = (32, 64),
    augmentation: Sequence[str] = ("off", "shift", "cutout"),
    balancing: Sequence[str] | None = None,
    task_weights: Mapping[str, float] | None = None,
    sampling: Sequence[str] | None = None,
    modality_dropout: Any = None,
    tie: Any = None,
    alignment: Sequence[str] | None = None,
    alignment_weight: Any = None,
    orthogonality: Any = None,
    ema_decay: Any = None,
    standardise: Any = None,
    label_smoothing: Any = None,
    focal: Any = None,
    class_weights: Sequence[str] | None = None,
) -> Space:
    """How to train: optimiser, learning rate, weight decay, schedule, batch size, augmentation.

    To put beside a model: ``Space({"model": cnn(), "recipe": recipe(epochs=8)})``. How several tasks and
    modalities are learned together is searched where it is asked for; see `workers.recipe.Recipe`:
    ``recipe(balancing=("equal", "uncertainty", "upgrad"))``.

    Args:
        epochs: the number of passes over the training data; fixed.
        optimizer, schedule, batch_size, augmentation: the values to choose from.
        learning_rate: a value or a hole; from 1e-3 to 2e-2 on a logarithmic scale unless given.
        weight_decay: a value or a hole; from 1e-5 to 1e-1 on a logarithmic scale unless given.
        balancing, sampling, alignment, class_weights: the values to choose from; the recipe's default unless
            given.
        modality_dropout, tie, alignment_weight, orthogonality, ema_decay, label_smoothing, focal: the values
            to choose from or a hole; the recipe's default unless given.
        standardise: a value or a hole; the recipe's default unless given.
        task_weights: the weights of the tasks for the balancing ``static``; fixed.

    A plain value fixes what it stands for: ``recipe(optimizer="sgd", learning_rate=0.1)``.

    Raises:
        SpaceError: an option without values.
    """
    asked = {
        "balancing": balancing,
        "sampling": sampling,
        "modality_dropout": modality_dropout,
        "tie": tie,
        "alignment": alignment,
        "alignment_weight": alignment_weight,
        "orthogonality": orthogonality,
        "ema_decay": ema_decay,
        "standardise": standardise,
        "label_smoothing": label_smoothing,
        "focal": focal,
        "class_weights": class_weights,
    }
    together = {name: one_of(name, options) for name, options in asked.items() if options is not None}
    if task_weights is not None:
        together["task_weights"] = dict(task_weights)
    return Space(
        {
            "optimizer": one_of("optimizer", optimizer),
            "learning_rate": real(1e-3, 2e-2, log=True) if learning_rate is None else learning_rate,
            "weight_decay": real(1e-5, 1e-1, log=True) if weight_decay is None else weight_decay,
            "schedule": one_of("schedule", schedule),
            "batch_size": one_of("batch_size", batch_size),
            "augmentation": one_of("augmentation", augmentation),
            "epochs": epochs,
            **together,
        }
    )
