"""Zero-cost scores of networks as a frame: a row for each, and why something is missing."""

from __future__ import annotations

import math

import pytest
from torch import nn
from untrained import random_problem, row

import nas
from search_spaces import Space, choice, integer, layer, sequential
from search_spaces.errors import SearchError, UnknownNameError, ZeroCostError

ACTIVATION = choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh))
SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(2, 4)), ACTIVATION, layer(nn.Linear, out_features=3)
        )
    }
)


def test_a_sample_has_each_network_once_and_says_what_is_missing() -> None:
    frame = nas.zero_cost_scores(SPACE, random_problem(), ["num_params", "naswot"], sample=50, batch_size=8)
    assert list(frame) == ["id", "num_params", "naswot", "message", "decisions"]
    assert len(frame) == frame["id"].nunique() == 6  # all that there are
    tanh = frame["decisions"].map(lambda decisions: decisions["model.1"] == "tanh")
    assert tanh.sum() == 3
    assert (frame["naswot"].isna() == tanh).all()
    assert frame["num_params"].notna().all()
    assert frame["message"][tanh].str.match("naswot: no unit switches").all()
    assert frame["message"][~tanh].isna().all()
    for one in frame.itertuples():
        assert SPACE.architecture(one.decisions).id == one.id


def test_the_same_seed_draws_and_scores_alike() -> None:
    first, again, other = (
        nas.zero_cost_scores(SPACE, random_problem(), ["snip"], sample=3, batch_size=8, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.equals(again)
    assert not first["snip"].equals(other["snip"])


def test_parts_are_joined_by_their_ranks_among_the_rows_that_have_them() -> None:
    networks = [row(4, layer(nn.ReLU), 3), row(9, layer(nn.ReLU), 8), row(5)]  # the last has one block only
    frame = nas.zero_cost_scores(networks, random_problem(), ["az_nas"], batch_size=32)
    parts = [name for name in frame if name.startswith("az_nas.")]
    assert len(parts) == 4
    expected = [sum(math.log(rank / 2) for rank in frame[parts][:2].rank().loc[place]) for place in (0, 1)]
    assert list(frame["az_nas"][:2]) == pytest.approx(expected)
    assert frame.loc[2, ["az_nas", *parts]].isna().all()
    alone = nas.zero_cost_scores(networks[:1], random_problem(), ["az_nas"], batch_size=32)
    assert alone["az_nas"].isna().all()


def test_a_network_that_cannot_be_built_has_a_row_with_the_reason() -> None:
    frame = nas.zero_cost_scores([row(layer(nn.Conv2d, out_channels=2)), row(4)], random_problem(), ["snip"])
    assert frame["snip"].isna().tolist() == [True, False]
    assert "Conv2d" in frame["message"][0]


def test_what_no_network_has_is_an_error_with_the_way_out() -> None:
    with pytest.raises(ZeroCostError, match="leave naswot out"):
        nas.zero_cost_scores([row(4), row(5)], random_problem(), ["naswot"])


def test_arguments_are_checked() -> None:
    problem = random_problem()
    with pytest.raises(UnknownNameError, match="did you mean 'naswot'"):
        nas.zero_cost_scores(SPACE, problem, ["naswott"])
    with pytest.raises(SearchError, match="scores: expected some of num_params"):
        nas.zero_cost_scores(SPACE, problem, [])
    with pytest.raises(SearchError, match=r"networks\[0\]: expected an architecture, got 3"):
        nas.zero_cost_scores([3], problem)  # type: ignore[list-item]
    with pytest.raises(SearchError, match="sample: expected a whole number above 0"):
        nas.zero_cost_scores(SPACE, problem, sample=0)
