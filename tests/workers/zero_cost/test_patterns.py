"""naswot and SWAP are what their papers say of the units that are on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from untrained import probe

from search_spaces import layer
from search_spaces.errors import ZeroCostError
from workers.zero_cost.naswot import agreement, naswot
from workers.zero_cost.patterns import activation_patterns
from workers.zero_cost.probe import Probe
from workers.zero_cost.swap import packed, swap


class Functional(nn.Module):
    """A module of a user's own that calls a function for its activation, in place."""

    def forward(self, input: Tensor) -> Tensor:
        """ReLU."""
        return F.relu(input, inplace=True)


def on_by_hand(probe: Probe) -> Tensor:
    """Which units of the first linear layer are on, for the batch of the probe."""
    network, batch = probe.network(), probe.whole_batch()
    values = network.input_standardisation("vector")(batch.inputs["vector"])
    on: Tensor = network.get_submodule("body.0")(values) > 0
    return on


def test_naswot_is_the_log_determinant_of_how_many_units_agree() -> None:
    given = probe(40, layer(nn.ReLU))
    on = on_by_hand(given).numpy()
    agreeing = np.array([[(a == b).sum() for b in on] for a in on])
    assert naswot(given) == pytest.approx(np.linalg.slogdet(agreeing)[1], rel=1e-9)


def test_the_kernel_counts_the_units_in_which_two_examples_agree() -> None:
    on = torch.tensor([[True, False, True], [True, True, True], [False, True, False]])
    assert agreement(on).tolist() == [[3, 2, 0], [2, 3, 1], [0, 1, 3]]


def test_swap_counts_the_different_patterns_of_units_over_examples() -> None:
    given = probe(40, layer(nn.ReLU), batch_size=4)
    columns = {tuple(unit) for unit in on_by_hand(given).T.tolist()}
    assert swap(given) == len(columns) < 40


@pytest.mark.parametrize("examples", [5, 64, 65, 200])
def test_a_pattern_of_any_length_is_packed_without_loss(examples: int) -> None:
    on = torch.rand(examples, 50, generator=torch.Generator().manual_seed(0)) > 0.5
    on[:, 40:] = on[:, :10]
    on[:, 39] = on[:, 38]
    on[-1, 39] = ~on[-1, 38]  # the last bit of the last word
    words = packed(on)
    assert words.shape == (50, -(-examples // 64))
    same = [[bool((on[:, a] == on[:, b]).all()) for b in range(50)] for a in range(50)]
    assert [[a == b for b in words.tolist()] for a in words.tolist()] == same


def test_patterns_of_several_layers_are_counted_together() -> None:
    one = swap(probe(40, layer(nn.ReLU), batch_size=4))
    two = swap(probe(40, layer(nn.ReLU), layer(nn.ReLU), batch_size=4))
    assert one == two  # the second is on where the first is


def test_an_activation_is_seen_however_it_is_called() -> None:
    module, function = (activation_patterns(probe(6, layer(one)), "naswot") for one in (nn.ReLU, Functional))
    assert torch.equal(module[0], function[0])


def test_a_network_without_units_that_switch_is_refused_with_its_layers() -> None:
    with pytest.raises(ZeroCostError, match=r"no unit switches .*body\.0 \(Linear\).*leave naswot out"):
        naswot(probe(4, layer(nn.Tanh)))
