"""The work of a network: what its operators do, whatever they are made from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces import Classification, Sequence, Signature, Space, Vector, layer, sequential
from search_spaces.building.work import Work

CLASSES = 4
VECTOR, SERIES = Vector(6), Sequence(5, 8)


def _work(kind: object, *parts: object) -> Work:
    signature = Signature({"it": kind}, {"class": Classification(CLASSES)})  # type: ignore[dict-item]
    return Space(sequential(*parts)).plain().work(signature)


class Views(nn.Module):
    """Looks at its input otherwise, and computes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        torch.zeros_like(x)
        return x.unsqueeze(1).expand(-1, 3, -1).transpose(1, 2)[..., 0]


class Initialised(nn.Module):
    """Computes much when it is made, and nothing after."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(100.0).outer(torch.arange(100.0)).cumsum(0) + 1)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_operators_are_those_that_compute_and_write_a_number_each() -> None:
    # a product, a ReLU, and the product of the head
    work = _work(VECTOR, layer(nn.Linear, out_features=10), layer(nn.ReLU))
    assert work == Work(3, 10 + 10 + CLASSES, 6 * 10 + 10 * CLASSES, 0, 7 * 10 + 11 * CLASSES)


def test_views_and_what_happens_when_a_module_is_made_are_no_work() -> None:
    bare = _work(VECTOR)
    assert (bare.num_operators, bare.num_written) == (1, CLASSES)
    assert _work(VECTOR, layer(Views), layer(Initialised)) == bare


def test_products_of_attention_are_batched_and_add_up_to_the_cost() -> None:
    signature = Signature({"it": SERIES}, {"class": Classification(CLASSES)})
    attention = layer(nn.TransformerEncoderLayer, nhead=2, dim_feedforward=16)
    network = Space(sequential(attention)).plain()
    work = network.work(signature)
    assert work.num_batched_macs == 2 * 5 * 5 * 8
    assert work.num_macs + work.num_batched_macs == network.cost(signature).num_macs


def test_the_steps_of_a_gru_count_and_those_of_an_lstm_are_one_operator() -> None:
    def longer(recurrent: type[nn.Module], length: int) -> Work:
        return _work(Sequence(length, 8), layer(recurrent, hidden_size=3))

    short, long = longer(nn.LSTM, 10), longer(nn.LSTM, 30)
    assert short.num_operators == long.num_operators
    assert long.num_written - short.num_written >= 20 * 7 * 3
    short, long = longer(nn.GRU, 10), longer(nn.GRU, 30)
    assert long.num_operators - short.num_operators == 20 * 2


def test_one_dry_run_counts_cost_and_work() -> None:
    signature = Signature({"it": VECTOR}, {"class": Classification(CLASSES)})
    network = Space(sequential(layer(nn.Linear, out_features=10))).plain()
    plan = network.plan(signature, counted=True)
    network.cost(signature), network.work(signature)
    assert network.plan(signature) is plan
