"""A search as a user describes it in a file: data and modules of their own, and networks that fail."""

import torch
from risky_layers import Risky
from torch import Tensor, nn

from nas import Search, at_most
from search_spaces import Space, choice, integer, layer, sequential
from workers.problems import Problem


class Doubled(nn.Module):
    """A module of this file itself."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


inputs = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
problem = Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)

good = [f"none {number}" for number in range(9)]
space = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(4, 8)),
            layer(Risky, fault=choice(*good, "exception", "nan", "memory", "slow")),
            layer(Doubled),
        ),
        "recipe": {"epochs": 1, "batch_size": 16},
    }
)
search = Search(
    space,
    problem,
    "random",
    limits=at_most("num_params", 40),
    trials=24,
    trial_seconds=1.5,
    seed=9,
    name="risky",
)
