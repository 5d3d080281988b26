"""What a network answers to rows as they come; exported as a file of plain torch, it has this with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from search_spaces.building.network import Network
from search_spaces.tasks import Classification, MultiLabel, Ordinal
from workers.problems.frames.preprocessing import Preprocessing


def answers_to_rows(network: Network, preprocessing: Mapping[str, Any], rows: Any) -> dict[str, list[Any]]:
    """Returns what a network answers to rows, by task: the names of classes, else numbers.

    Args:
        network: the network, in evaluation mode.
        preprocessing: what makes its inputs of rows, as JSON has it.
        rows: a frame of pandas.
    """
    inputs, present = Preprocessing.from_dict(preprocessing).tensors(rows, network.signature.inputs)
    with torch.inference_mode():
        answers = network(inputs, present)
    found: dict[str, list[Any]] = {}
    for name, task in network.signature.tasks.items():
        if isinstance(task, Classification | MultiLabel | Ordinal):
            found[name] = list(task.predicted(answers[name]))
        else:
            found[name] = answers[name].squeeze(1).tolist()
    return found
