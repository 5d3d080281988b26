"""The parts of AZ-NAS are what the paper says, and its ranks prefer what is good in all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from joined_networks import SIGNATURE, architecture, problem
from torch import nn
from untrained import probe

from search_spaces import layer
from search_spaces.errors import ZeroCostError
from workers.zero_cost.az_nas import _by_position, _entropy, _folded, _trainability, az_nas
from workers.zero_cost.probe import Probe
from workers.zero_cost.ranks import aggregated


def test_the_entropy_is_that_of_shares_of_principal_components() -> None:
    features = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 0.0])
    shares = np.linalg.eigvalsh(np.cov(features.numpy().T, bias=True))
    shares = shares[shares > 1e-9] / shares.sum()
    assert _entropy(features) == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-5)
    assert _entropy(torch.ones(10, 3)) == 0


def test_trainability_is_highest_where_the_gradient_keeps_its_size() -> None:
    before = torch.randn(4000, 4, requires_grad=True)

    def of(factor: float) -> float:
        found = _trainability(before, factor * before)
        assert found is not None
        return found

    # of random signs the product with themselves is the identity, nearly
    assert of(-1.0) == pytest.approx(0, abs=0.01)
    assert of(2.0) == pytest.approx(2 - 2 - 1 / 2, abs=0.2)
    assert of(0.5) == pytest.approx(2 - 0.5 - 1 / 0.5, abs=0.2)
    assert of(1.0) == -math.inf  # a block that does nothing


def test_of_features_that_nothing_with_weights_has_made_there_is_no_gradient() -> None:
    assert _trainability(torch.randn(4, 3), torch.randn(4, 3, requires_grad=True)) is None


def test_a_map_that_is_halved_keeps_the_gradient_of_all_its_points() -> None:
    folded = _folded(torch.randn(2, 3, 8, 6), torch.randn(2, 5, 4, 3))
    assert folded is not None
    assert folded.shape == (2, 12, 4, 3)
    halved = _folded(torch.arange(8.0).reshape(1, 4, 2), torch.randn(1, 2, 7))
    assert halved is not None
    assert halved.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7]]]
    assert _by_position(torch.randn(2, 12, 4, 3)).shape == (24, 12)
    for gradient, like in [((2, 3, 5, 5), (2, 3, 2, 2)), ((2, 3, 4, 4), (2, 3)), ((2, 5, 3), (2, 2, 3))]:
        assert _folded(torch.zeros(gradient), torch.zeros(like)) is None


def test_the_parts_of_a_row_of_blocks() -> None:
    parts = az_nas(probe(8, layer(nn.ReLU), 6, batch_size=32))
    assert parts.keys() == {"expressivity", "progressivity", "trainability", "complexity"}
    assert 0 < parts["expressivity"] < math.log(8) + math.log(6)
    assert parts["progressivity"] < 0  # three numbers go in: no block can spread them further
    assert parts["trainability"] < 0
    assert parts["complexity"] == 3 * 8 + 8 * 6 + 6 * 2


def test_calls_of_a_graph_that_have_no_weights_are_no_blocks() -> None:
    graph = Probe(architecture(SIGNATURE), problem(), 16, seed=0)
    parts = az_nas(graph)
    assert math.isfinite(parts["trainability"])  # that of a vector that is pooled once more is minus infinity
    assert parts["expressivity"] > 0


def test_one_block_alone_is_refused() -> None:
    with pytest.raises(ZeroCostError, match=r"az_nas: body \(Chain\) has no two blocks.*leave az_nas out"):
        az_nas(probe(8, layer(nn.ReLU)))


def test_ranks_prefer_what_is_good_in_all_parts() -> None:
    ranked = aggregated({"one": [1.0, 2.0, 3.0], "other": [-math.inf, 5.0, 4.0]})
    assert ranked == pytest.approx([math.log(1 / 9), math.log(2 / 3), math.log(2 / 3)])
    assert aggregated({"one": [1, 2, 3, 3]})[2] == pytest.approx(math.log(3.5 / 4))
