"""Costs, held against formulas written by hand, layer by layer."""

import random

import pytest
import torch
from torch import Tensor, nn

from search_spaces import (
    Classification,
    Cost,
    Image,
    Sequence,
    Signature,
    Space,
    Tokens,
    Vector,
    layer,
    sequential,
)

CLASSES = 4


class Pair(nn.Module):
    """Feeds one input twice, to layers of two inputs."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, input: Tensor) -> Tensor:
        answer: Tensor = self.inside(input, input)
        return answer


class Attend(nn.Module):
    """Self-attention as users write it."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(embed_dim, 2, batch_first=True)

    def forward(self, input: Tensor) -> Tensor:
        answer: Tensor = self.attention(input, input, input)[0]
        return answer


class Hand(nn.Module):
    """Matrix products of a user's own: einsum, matmul, and a matrix times a vector."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(in_features, 7))
        self.b = nn.Parameter(torch.zeros(7, 3))
        self.c = nn.Parameter(torch.zeros(3))

    def forward(self, input: Tensor) -> Tensor:
        shift = self.b @ self.c  # once for the whole batch of two in the dry run
        answer: Tensor = torch.einsum("nf,fg->ng", input, self.a) + shift
        return answer @ self.b


def _cost(kind: object, *parts: object) -> Cost:
    signature = Signature({"it": kind}, {"class": Classification(CLASSES)})  # type: ignore[dict-item]
    return Space(sequential(*parts)).sample(random.Random(0)).cost(signature)


IMAGE, SERIES, VECTOR = Image(4, 6, 6), Sequence(5, 8), Vector(6)


@pytest.mark.parametrize(
    ("kind", "part", "features", "params", "macs"),
    [
        (VECTOR, layer(nn.Linear, out_features=10), 10, 6 * 10 + 10, 6 * 10),
        (SERIES, layer(nn.Linear, out_features=10, bias=False), 10, 80, 5 * 80),
        (IMAGE, layer(nn.Conv2d, out_channels=8, kernel_size=3, padding=1), 8, 8 * 4 * 9 + 8, 36 * 8 * 4 * 9),
        (IMAGE, layer(nn.Conv2d, out_channels=8, kernel_size=3, stride=2), 8, 296, 4 * 8 * 4 * 9),
        (IMAGE, layer(nn.Conv2d, out_channels=8, kernel_size=3, groups=4), 8, 8 * 9 + 8, 16 * 8 * 9),
        (IMAGE, layer(nn.Conv2d, out_channels=8, kernel_size=3, dilation=2), 8, 296, 4 * 8 * 4 * 9),
        (IMAGE, layer(nn.ConvTranspose2d, out_channels=8, kernel_size=3), 8, 4 * 8 * 9 + 8, 36 * 4 * 8 * 9),
        (IMAGE, layer(nn.ConvTranspose2d, out_channels=8, kernel_size=2, stride=2, groups=2), 8,
         4 * 4 * 4 + 8, 36 * 4 * 4 * 4),
        (SERIES, layer(nn.Conv1d, out_channels=3, kernel_size=3), 6, 5 * 3 * 3 + 3, 6 * 5 * 3 * 3),
        (IMAGE, sequential(layer(nn.Unflatten, dim=1, unflattened_size=(2, 2)),
                           layer(nn.Conv3d, out_channels=3, kernel_size=(1, 3, 3))), 3,
         3 * 2 * 9 + 3, 2 * 16 * 3 * 2 * 9),
        (SERIES, layer(nn.LSTM, hidden_size=3), 3, 4 * (3 * 8 + 3 * 3 + 6), 5 * 4 * (3 * 8 + 3 * 3)),
        (SERIES, layer(nn.GRU, hidden_size=3, bidirectional=True), 6, 2 * 3 * (3 * 8 + 3 * 3 + 6),
         2 * 5 * 3 * (3 * 8 + 3 * 3)),
        (SERIES, layer(nn.RNN, hidden_size=3, num_layers=2), 3, (24 + 9 + 6) + (9 + 9 + 6),
         5 * (24 + 9 + 9 + 9)),
        (VECTOR, layer(nn.GRUCell, hidden_size=3), 3, 3 * (18 + 9 + 6), 3 * (18 + 9)),
        (SERIES, layer(Attend), 8, 4 * 64 + 4 * 8, 5 * 4 * 64 + 2 * 5 * 5 * 8),
        (SERIES, layer(nn.TransformerEncoderLayer, nhead=2, dim_feedforward=16), 8,
         (4 * 64 + 32) + (8 * 16 + 16) + (16 * 8 + 8) + 4 * 8, 5 * 4 * 64 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16),
        (VECTOR, layer(Pair, inside=layer(nn.Bilinear, in1_features=6, in2_features=6, out_features=3)), 3,
         6 * 6 * 3 + 3, 6 * 6 * 3),
        (VECTOR, layer(Hand), 3, 42 + 21 + 3, 42 + 21 + 21 // 2),
        (Tokens(5, 9), layer(nn.Embedding, embedding_dim=3), 3, 27, 0),
        (IMAGE, layer(nn.BatchNorm2d), 4, 8, 0),
        (SERIES, layer(nn.LayerNorm), 8, 16, 0),
        (IMAGE, layer(nn.MaxPool2d, kernel_size=2), 4, 0, 0),
        (IMAGE, layer(nn.PReLU), 4, 1, 0),
    ],
)  # fmt: skip
def test_parameters_and_multiply_adds_are_those_of_the_textbook(
    kind: object, part: object, features: int, params: int, macs: int
) -> None:
    cost = _cost(kind, part)
    assert cost.num_params == params + features * CLASSES + CLASSES
    assert cost.num_macs == macs + features * CLASSES


def test_parameters_that_are_not_trained_do_not_count() -> None:
    class Frozen(nn.Linear):
        def __init__(self, in_features: int, out_features: int) -> None:
            super().__init__(in_features, out_features)
            self.requires_grad_(False)

    assert _cost(VECTOR, layer(Frozen, out_features=10)).num_params == 10 * CLASSES + CLASSES


def test_activations_are_what_the_backward_pass_needs() -> None:
    float32 = 4
    # a linear layer keeps its input; so does the head
    assert _cost(VECTOR, layer(nn.Linear, out_features=10)).activation_bytes == (6 + 10) * float32
    # the convolution keeps its input, the normalisation its own, ReLU its answer (the next layer's input)
    parts = [
        layer(nn.Conv2d, out_channels=8, kernel_size=1),
        layer(nn.BatchNorm2d),
        layer(nn.ReLU),
        layer(nn.Conv2d, out_channels=2, kernel_size=1),
    ]
    assert _cost(IMAGE, *parts).activation_bytes == (36 * (4 + 8 + 8) + 2) * float32


def test_a_network_that_would_fill_no_memory_is_measured_at_once() -> None:
    cost = _cost(VECTOR, layer(nn.Linear, out_features=10**6), layer(nn.Linear, out_features=10**6))
    assert cost.num_params > 10**12


def test_costs_are_the_same_asked_twice_and_as_a_dict() -> None:
    cost = _cost(VECTOR, layer(nn.Linear, out_features=10))
    assert cost == _cost(VECTOR, layer(nn.Linear, out_features=10))
    assert cost.to_dict() == {"num_params": 114, "num_macs": 100, "activation_bytes": 64}
