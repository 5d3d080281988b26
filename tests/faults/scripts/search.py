"""A search for the tests of faults, described by the environment."""

import json
import os

import torch
from networks import Faulty
from torch import nn

from nas import Search
from search_spaces import Space, choice, integer, layer, sequential
from workers.pool.pool import Pool
from workers.problems import Problem

GIVEN = json.loads(os.environ["FAULTS"])

inputs = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
problem = Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)
faults = [f"none {number}" for number in range(9)] + GIVEN.get("kinds", [])
space = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(4, 60)),
            layer(
                Faulty,
                kind=choice(*faults),
                seconds=GIVEN.get("seconds", 0.02),
                ballast=GIVEN.get("ballast", 0),
            ),
        ),
        "recipe": {"epochs": GIVEN.get("epochs", 3), "batch_size": 16},
    }
)
search = Search(
    space,
    problem,
    GIVEN.get("controller", "random"),
    trials=GIVEN["trials"],
    name=GIVEN["name"],
    store=GIVEN["store"],
    executor=Pool(
        GIVEN.get("workers"),
        address=GIVEN["address"],
        resources=GIVEN.get("resources"),
        retries=3,
        wait=GIVEN.get("wait", 0.0),
    ),
    checkpoints=GIVEN.get("checkpoints"),
    checkpoint_seconds=GIVEN.get("checkpoint_seconds", 0.2),
    trial_silence=GIVEN.get("silence"),
    trial_memory=GIVEN.get("memory"),
    seed=GIVEN.get("seed", 0),
)
