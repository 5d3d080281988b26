"""A small problem of two modalities and four tasks, and networks that serve it, for tests of training."""

from typing import Any

import torch
from torch import nn

from search_spaces import (
    Architecture,
    Classification,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Space,
    Tagging,
    Vector,
    layer,
    sequential,
)
from search_spaces.blocks import Recurrent
from search_spaces.blocks.backbone.backbone import Backbone, needs
from workers.problems.problem import Problem

SIGNATURE = Signature(
    {"point": Vector(5), "steps": Sequence(6, 4)},
    {
        "kind": Classification(3),
        "size": Regression(1),
        "tags": Tagging(2, input="steps"),
        "match": Retrieval("point", "steps", features=8),
    },
)

OPTIONS: dict[str, Any] = {"tree": {"levels": [{"size": "kind"}]}, "routed": {"experts": 2}}
"""What some patterns of sharing need to be told."""


def problem(examples: int = 150, seed: int = 0) -> Problem:
    """Both modalities tell the kind and the size; the tags are the signs of the steps."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.arange(examples) % 3
    size = torch.randn(examples, 1, generator=generator)
    point = 0.3 * torch.randn(examples, 5, generator=generator)
    point[:, :3] += nn.functional.one_hot(kinds, 3)
    point[:, 3:4] += size
    steps = 0.3 * torch.randn(examples, 6, 4, generator=generator)
    steps[:, 0, :3] += nn.functional.one_hot(kinds, 3)
    steps[:, 1, :1] += size
    targets = {
        "kind": kinds,
        "size": size,
        "tags": (steps.sum(2) > 0).long(),
        "match": torch.arange(examples),
    }
    return Problem.from_tensors("joined", ({"point": point, "steps": steps}, targets), signature=SIGNATURE)


def architecture(signature: Signature, sharing: str = "hard", **recipe: Any) -> Architecture:
    """Two streams, joined at their ends, shared as one of the patterns says.

    Args:
        signature: of the problem, with all of its inputs or one, and some of its tasks.
        sharing: a name of `search_spaces.blocks.backbone.patterns.PATTERNS`.
        recipe: fields of the recipe.
    """
    streams = {
        "point": sequential(layer(nn.Linear, out_features=8), layer(nn.Tanh)),
        "steps": sequential(layer(Recurrent, out_features=8, cell="gru")),
    }
    body = layer(
        Backbone,
        streams={name: streams[name] for name in signature.inputs},
        tasks=needs(signature),
        sharing={"kind": sharing} | OPTIONS.get(sharing, {}),
        links=[{"taps": dict.fromkeys(signature.inputs, 1.0), "operator": "concat", "width": 8}]
        if len(signature.inputs) > 1
        else [],
    )
    fields = {"epochs": 3, "batch_size": 16, "schedule": "constant"} | recipe
    return Space({"model": {"body": body}, "recipe": fields}).architecture({})
