"""A search of your own: your module in the space, your data as the problem.

Run it with ``nas search examples/my_search.py``, or with ``python examples/my_search.py``; after a stop or a
kill go on with ``nas resume examples/my_search.py``.
"""

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import Tensor, nn

from nas import Search, at_most, maximize
from search_spaces import Space, choice, integer, layer, real, repeat, sequential
from workers.problems import Problem


class Gated(nn.Module):
    """A linear layer whose outputs are gated by a second one. ``in_features`` is found when it is built."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.value = nn.Linear(in_features, out_features)
        self.gate = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * torch.sigmoid(self.gate(x))


def wine() -> Problem:
    """Thirteen measurements of 178 wines; which of three growers made them."""
    data = load_wine()
    inputs = ((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32)
    return Problem.from_tensors("wine", (inputs, data.target), validation=0.25, test=0.25)


width = integer(8, 64, step=8)
block = choice(
    plain=sequential(layer(nn.Linear, out_features=width), layer(nn.ReLU)),
    gated=layer(Gated, out_features=width),
)
space = Space(
    {
        "model": sequential(repeat(block, (1, 3)), layer(nn.Dropout, p=choice(0.0, 0.2))),
        "recipe": {"learning_rate": real(1e-3, 3e-2, log=True), "batch_size": 16, "epochs": 10},
    }
)

search = Search(
    space,
    wine(),
    "evolution",
    objectives=[maximize("accuracy")],
    limits=[at_most("num_params", 5_000)],
    trials=20,
)

if __name__ == "__main__":
    print(search.run().head())
