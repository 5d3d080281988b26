"""Networks for several tasks and modalities as one would write them without a search."""

from dataclasses import replace
from typing import Any

import torch

from search_spaces import layer, sequential
from search_spaces.blocks import (
    Backbone,
    ConvNormActivation,
    CrfHead,
    Head,
    Recurrent,
    SequenceConvolution,
    Stage,
    TokenEmbedding,
)
from search_spaces.blocks.backbone.backbone import needs
from search_spaces.signature import Image, Input, Sequence, Tagging, Task
from workers.problems import Problem
from workers.problems.split import Split


def baseline(problem: Problem) -> dict[str, Any]:
    """Hard sharing, equal weights, late fusion by concatenation; encoders as in many a paper's baseline."""
    signature = problem.signature
    link = {
        "taps": dict.fromkeys(signature.inputs, 1.0),
        "operator": "concat",
        "width": 128,
        "pooling": "max",
    }
    body = layer(
        Backbone,
        streams={name: _encoder(kind) for name, kind in signature.inputs.items()},
        tasks=needs(signature),
        sharing={"kind": "hard"},
        links=[link],
    )
    heads = {name: _head(task) for name, task in signature.tasks.items()}
    pictures = any(isinstance(kind, Image) for kind in signature.inputs.values())
    recipe: dict[str, Any] = {"augmentation": "shift" if pictures else "off"}
    if len(signature.inputs) > 1:
        recipe["modality_dropout"] = 0.5
    return {"model": {"body": body, "heads": heads}, "recipe": recipe}


def joined_splits(problem: Problem) -> Problem:
    """A problem that trains on its validation split too; what it reports on that means nothing."""
    parts = (problem.train, problem.validation)
    train = Split(
        {name: torch.cat([part.inputs[name] for part in parts]) for name in problem.signature.inputs},
        {name: torch.cat([part.targets[name] for part in parts]) for name in problem.signature.tasks},
    )
    return replace(problem, name=f"{problem.name}-0-13", train=train, options={})


def _encoder(kind: Input) -> Any:
    if isinstance(kind, Image):
        return sequential(
            layer(ConvNormActivation, out_channels=16, kernel_size=3),
            layer(Stage, out_channels=32, block="residual", depth=1, kernel_size=3, downsample="max"),
            layer(Stage, out_channels=64, block="residual", depth=1, kernel_size=3, downsample="max"),
            layer(Stage, out_channels=128, block="plain", depth=1, kernel_size=3, downsample="none"),
        )
    if isinstance(kind, Sequence):
        return sequential(
            layer(SequenceConvolution, out_features=64, kernel_size=9, residual=True, dropout=0.1),
            layer(
                SequenceConvolution, out_features=64, kernel_size=9, residual=True, pooling="max", dropout=0.1
            ),
            layer(
                SequenceConvolution,
                out_features=128,
                kernel_size=5,
                residual=True,
                pooling="max",
                dropout=0.1,
            ),
            layer(SequenceConvolution, out_features=128, kernel_size=5, residual=True, dropout=0.1),
        )
    return sequential(
        layer(TokenEmbedding, embedding_dim=128, dropout=0.3),
        layer(Recurrent, out_features=128, cell="lstm", bidirectional=True, dropout=0.3),
    )


def _head(task: Task) -> Any:
    return layer(CrfHead) if isinstance(task, Tagging) else layer(Head, pooling="max", dropout=0.3)
