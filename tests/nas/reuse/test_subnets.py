"""Networks that are taken out of a search's shared weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import nas
from nas import Search
from search_spaces import Space, choice, integer, layer, sequential
from search_spaces.errors import SearchError, UnknownNameError
from workers.testing.jobs import points

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(2, 40)),
            choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh)),
            layer(nn.Linear, out_features=integer(2, 20)),
        ),
        "recipe": {"epochs": 3, "batch_size": 16},
    }
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("subnets") / "nas.db"
    for weights in ("own", "shared"):
        Search(
            SPACE, points(), "random", executor="inline", store=path, trials=4, name=weights, weights=weights
        ).run()  # type: ignore[arg-type]
    return path


def test_the_best_network_under_a_limit_has_weights_and_answers(store: Path) -> None:
    [found] = nas.subnets(store, limits=nas.at_most("num_params", 200), proposals=20, problem=points())
    assert found.metrics["num_params"] <= 200
    assert found.provenance["evaluation"] == "inherited"
    answers = found.build()(_only())
    assert torch.isfinite(answers).all()
    share = (answers.argmax(1) == next(iter(points().test.targets.values()))).float().mean()
    assert share.item() == pytest.approx(found.test_metrics["accuracy"])


def _only() -> torch.Tensor:
    return next(iter(points().test.inputs.values()))


def test_a_family_goes_from_small_to_large_and_none_is_beaten_in_both(store: Path) -> None:
    found = nas.subnets(store, front="num_params", proposals=30, problem=points())
    sizes = [one.metrics["num_params"] for one in found]
    scores = [one.metrics["accuracy"] for one in found]
    assert sizes == sorted(sizes)
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def test_the_same_seed_finds_the_same_networks(store: Path) -> None:
    found = [nas.subnets(store, proposals=10, problem=points(), seed=3)[0].architecture.id for _ in range(2)]
    assert found[0] == found[1]


def test_a_subnet_can_be_exported_and_loaded(store: Path, tmp_path: Path) -> None:
    [found] = nas.subnets(store, proposals=5, problem=points())
    again = nas.load(found.export(tmp_path / "best"))
    example = _only()
    torch.testing.assert_close(again.build()(example), found.build()(example))


def test_a_search_whose_networks_have_their_own_weights_has_no_bank(store: Path) -> None:
    with pytest.raises(SearchError, match="has no bank"):
        nas.subnets(store, search="own", problem=points())


def test_a_bank_of_another_space_is_noticed(store: Path) -> None:
    other = Space({"model": sequential(layer(nn.Linear, out_features=integer(50, 60)), layer(nn.Tanh))})
    with pytest.raises(SearchError, match="it is not that of search 'shared'"):
        nas.subnets(store, space=other, problem=points())


def test_limits_are_on_costs(store: Path) -> None:
    with pytest.raises(UnknownNameError, match="accuracy"):
        nas.subnets(store, limits=nas.at_least("accuracy", 0.5), problem=points())
    with pytest.raises(UnknownNameError, match="loss"):
        nas.subnets(store, front="loss", problem=points())
    with pytest.raises(SearchError, match=r"no network of .* keeps num_params <= 1"):
        nas.subnets(store, limits=nas.at_most("num_params", 1), proposals=2, problem=points())
