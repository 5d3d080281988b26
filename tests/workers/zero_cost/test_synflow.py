"""synflow is what the paper says it is, and is refused where nothing says what it would be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from untrained import probe, random_problem, row

from search_spaces import Classification, Signature, TabularRow, Tokens, layer
from search_spaces.blocks.attention import SelfAttention
from search_spaces.blocks.tabular import RowEmbedding
from search_spaces.blocks.text import TokenEmbedding
from search_spaces.errors import ZeroCostError
from workers.zero_cost.probe import Probe
from workers.zero_cost.synflow import synflow


class Gated(nn.Module):
    """A module of a user's own that calls functions, no modules."""

    def forward(self, input: Tensor) -> Tensor:
        """Half of it, or so."""
        return input * torch.sigmoid(input)


def flow_by_hand(probe: Probe) -> float:
    """Of two linear layers and a head: each weight's flow is what comes to it times what leaves it."""
    first, second, head = (
        (m.weight.double().abs(), m.bias.double().abs())
        for m in probe.network().modules()
        if isinstance(m, nn.Linear)
    )
    into = torch.ones(3, dtype=torch.float64)
    out_of_second = head[0].sum(0)
    out_of_first = second[0].T @ out_of_second
    made = first[0] @ into + first[1]
    made_of_it = second[0] @ made + second[1]
    total = (first[0] * into * out_of_first.unsqueeze(1)).sum()
    total += (second[0] * made * out_of_second.unsqueeze(1)).sum()
    total += (head[0] * made_of_it).sum()
    return math.log(float(total.detach()))


def test_synflow_of_linear_layers_is_what_a_hand_finds() -> None:
    given = probe(4, 5)
    assert synflow(given) == pytest.approx(flow_by_hand(given), rel=1e-12)


@pytest.mark.parametrize(
    "between",
    [nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish, nn.BatchNorm1d, nn.LayerNorm, nn.Dropout],
)
def test_normalisations_and_what_is_shaped_like_relu_let_everything_flow(between: type[nn.Module]) -> None:
    sizes = {nn.BatchNorm1d: {"num_features": 4}, nn.LayerNorm: {"normalized_shape": 4}}.get(between, {})
    assert synflow(probe(4, layer(between, **sizes), 5)) == synflow(probe(4, 5))


def test_attention_takes_the_mean_of_positions_that_all_look_alike() -> None:
    steps = layer(nn.Unflatten, dim=1, unflattened_size=(3, 1))
    given = probe(steps, 8, layer(SelfAttention, heads=2))
    linears = [module for module in given.network().modules() if isinstance(module, nn.Linear)]
    made, weights = torch.ones(1, dtype=torch.float64), []
    for linear in linears:
        weight, bias = (p.detach().double().abs() for p in (linear.weight, linear.bias))
        if linear is linears[1]:  # of queries, keys and values only the last carry anything
            weight, bias = weight[16:], bias[16:]
        weights.append(weight.requires_grad_())
        made = weight @ made + bias
    made.sum().backward()
    total = sum(float((w.detach() * w.grad).sum()) for w in weights if w.grad is not None)
    assert len(weights) == 4
    assert synflow(given) == pytest.approx(math.log(total), rel=1e-9)


@pytest.mark.parametrize(
    ("gated", "words"),
    [
        (layer(nn.Tanh), r"body\.1 \(Tanh\) computes tanh"),
        (layer(Gated), r"body\.1 \(Gated\) computes sigmoid"),
        (layer(nn.Softmax, dim=1), r"body\.1 \(Softmax\) computes softmax"),
        (layer(nn.LSTM, hidden_size=4), r"body\.1 \(LSTM\) computes"),
    ],
)
def test_a_layer_that_is_not_homogeneous_is_named_with_the_way_out(gated: object, words: str) -> None:
    with pytest.raises(ZeroCostError, match=rf"^synflow: {words}.*: leave synflow out, or take one"):
        synflow(probe(4, gated, 5))


class Nothing(nn.Module):
    """A module through which nothing comes."""

    def forward(self, input: Tensor) -> Tensor:
        """Zeros."""
        return input * 0


def test_where_nothing_flows_it_is_minus_infinity() -> None:
    bare = probe(4, layer(Nothing))
    assert synflow(bare) == -math.inf


def test_a_text_goes_in_as_all_words_at_once() -> None:
    signature = Signature({"text": Tokens(5, 7)}, {"kind": Classification(2)})
    given = Probe(row(layer(TokenEmbedding, embedding_dim=3)), random_problem(signature), 8, 0)
    network = given.network()
    words = network.get_parameter("body.0.tokens.weight").double().abs()
    head = network.get_parameter("heads.0.linear.weight").double().abs()
    flow = (words.sum(0) * head.sum(0)).sum()
    assert synflow(given) == pytest.approx(math.log(2 * float(flow.detach())), rel=1e-9)


def test_a_row_goes_in_as_ones_and_all_categories_at_once() -> None:
    signature = Signature({"row": TabularRow(2, (3, 5))}, {"kind": Classification(2)})
    given = Probe(row(layer(RowEmbedding)), random_problem(signature), 8, 0)
    network = given.network()
    first, second = (
        network.get_parameter(f"body.0.categories.{place}.weight").double().abs().sum(0) for place in (0, 1)
    )
    head = network.get_parameter("heads.0.linear.weight").double().abs()
    flow = head[:, :2].sum() + 2 * (torch.cat([first, second]) * head[:, 2:].sum(0)).sum()
    assert synflow(given) == pytest.approx(math.log(float(flow.detach())), rel=1e-9)


def test_sines_of_numbers_are_not_homogeneous() -> None:
    signature = Signature({"row": TabularRow(2, (3, 5))}, {"kind": Classification(2)})
    given = Probe(row(layer(RowEmbedding, frequencies=4)), random_problem(signature), 8, 0)
    with pytest.raises(ZeroCostError, match=r"^synflow: body\.0\.periodic .* computes sin"):
        synflow(given)
