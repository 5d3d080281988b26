"""What of the catalog fits a signature, for who wants to choose nothing."""

from __future__ import annotations

from typing import Any

from search_spaces.arguments import checked
from search_spaces.catalog.recipe import recipe
from search_spaces.errors import SpaceError
from search_spaces.ranges import real
from search_spaces.signature import (
    DenseMap,
    Generation,
    Image,
    Retrieval,
    Sequence,
    Signature,
    TabularRow,
    Tokens,
    Vector,
)
from search_spaces.space import Space


@checked(SpaceError)
def model_for(signature: Signature) -> str:
    """The name of the space of models for a signature: of one input and one task by the input's kind.

    Args:
        signature: what networks must serve.
    """
    if len(signature.inputs) > 1:
        return "multimodal"
    (kind,) = signature.inputs.values()
    (task, *others) = signature.tasks.values()
    if others or isinstance(task, DenseMap | Generation | Retrieval):
        return "multitask"
    known = {Image: "cnn", Sequence: "series", Tokens: "text", Vector: "mlp", TabularRow: "table"}
    return known[type(kind)]


@checked(SpaceError)
def recipe_for(signature: Signature, epochs: int = 12, *, pauses: bool = False) -> Space:
    """The space of recipes for a signature: `recipe`, with what its inputs and tasks have a use for.

    The tasks' balancing where there are several, of the methods that take one backward pass; modality dropout
    where there are several inputs; augmentation where one is an image or a series. For several of either only
    AdamW, at rates that suit most networks.

    Args:
        signature: what networks must serve.
        epochs: the number of passes over the training data; fixed.
        pauses: whether trials are compared on their way, as a fidelity does. They all have the schedule
            ``wsd`` and averaged weights then, whose scores do not wait for the end of the schedule.
    """
    options: dict[str, Any] = {"epochs": epochs}
    if pauses:
        options |= {"schedule": "wsd", "ema_decay": 0.999}
    if len(signature.tasks) > 1 or len(signature.inputs) > 1:
        # Networks of many kinds in few epochs: plain SGD and the ends of the range leave most untrained.
        options |= {"optimizer": "adamw", "learning_rate": real(1e-3, 1e-2, log=True), "batch_size": 32}
    if len(signature.tasks) > 1:
        options["balancing"] = ("equal", "uncertainty", "dwa")
    if len(signature.inputs) > 1:
        options["modality_dropout"] = (0.0, 0.3)
    if not any(isinstance(kind, Image | Sequence) for kind in signature.inputs.values()):
        options["augmentation"] = "off"
    return recipe(**options)
