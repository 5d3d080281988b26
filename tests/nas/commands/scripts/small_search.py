"""A search without an end, over tiny networks."""

import torch
from torch import nn

from nas import Search
from search_spaces import Space, choice, integer, layer, sequential
from workers.problems import Problem

inputs = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
problem = Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)

activation = choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh))
model = sequential(layer(nn.Linear, out_features=integer(2, 9999)), activation)
space = Space({"model": model, "recipe": {"epochs": 20, "batch_size": 8}})
search = Search(space, problem, "random", trials=5000)
