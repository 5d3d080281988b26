"""A search whose networks all fail, each with an error of the user's own."""

import torch
from torch import Tensor, nn

from nas import Search
from search_spaces import Space, integer, layer, sequential
from workers.problems import Problem


class NoSuchThingError(Exception):
    """An error that nobody else knows."""


class Failing(nn.Module):
    """Fails as soon as it is trained."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or not self.training:
            return x
        raise NoSuchThingError(f"what is {tuple(x.shape)}?")


inputs = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
problem = Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)
model = sequential(layer(nn.Linear, out_features=integer(4, 900)), layer(Failing))
space = Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16}})
search = Search(space, problem, "random", trials=500, executor="inline", name="failing")
