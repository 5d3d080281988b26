"""Networks standardise what they are told to: built without, loaded with what their weights have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces import (
    Classification,
    DenseMap,
    Image,
    Regression,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tokens,
    Vector,
    layer,
)
from search_spaces.building.network import Network
from search_spaces.building.standardisation import Standardisation

SIGNATURE = Signature({"point": Vector(3)}, {"size": Regression(2)})
POINTS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def network() -> Network:
    torch.manual_seed(0)
    return Space({"model": [layer(nn.Linear, out_features=4)]}).architecture({}).build(SIGNATURE)


def standardised() -> Network:
    made = network()
    made.input_standardisation("point").set(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 8.0]))
    made.target_standardisation("size").set(torch.tensor([10.0, 20.0]), torch.tensor([5.0, 0.5]))
    return made


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (Image(3, 4, 5), (3, 1, 1)),
        (Sequence(7, 2), (2,)),
        (Vector(4), (4,)),
        (Tokens(7, 9), None),
        (TabularRow(2, (3,)), (3,)),
        (TabularRow(0, (3,)), None),
        (Regression(2), (2,)),
        (DenseMap(2, 4, 5, discrete=False), (2, 1, 1)),
        (DenseMap(2, 4, 5), None),
        (Classification(2), None),
    ],
)
def test_real_numbers_have_a_scale_for_each_channel_feature_or_output(kind: object, shape: object) -> None:
    assert kind.scale_shape == shape  # type: ignore[attr-defined]


def test_a_network_as_it_is_built_has_nothing_to_keep_and_changes_nothing() -> None:
    built = network()
    assert not any("standardisation" in name for name in built.state_dict())
    plain = nn.Sequential(*built.body, built.head("size").linear)
    assert torch.equal(built(POINTS), plain(POINTS))


def test_numbers_are_standardised_on_their_way_in_and_out() -> None:
    inside = network()((POINTS - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([2.0, 4.0, 8.0]))
    answer = standardised()(POINTS)
    torch.testing.assert_close(answer, inside * torch.tensor([5.0, 0.5]) + torch.tensor([10.0, 20.0]))


def test_weights_bring_what_they_have_of_it_and_no_more() -> None:
    trained, other = standardised(), network()
    older = other.state_dict()
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(POINTS), trained(POINTS))
    assert other.state_dict().keys() == trained.state_dict().keys()
    other.load_state_dict(older)  # as networks were before any was standardised
    assert torch.equal(other(POINTS), network()(POINTS))
    wrong = trained.state_dict() | {"input_standardisations.0.mean": torch.zeros(2)}
    with pytest.raises(RuntimeError, match=r"input_standardisations\.0\.mean"):
        other.load_state_dict(wrong)
    lacking = trained.state_dict()
    del lacking["target_standardisations.0.scale"]
    with pytest.raises(RuntimeError, match=r"target_standardisations\.0\.scale"):
        other.load_state_dict(lacking)


def test_what_is_settled_is_open_no_more_and_answers_as_before() -> None:
    made = network()
    before = made(POINTS)
    assert made.input_standardisation("point").is_open
    made.settle()
    assert not made.input_standardisation("point").is_open
    assert torch.equal(made(POINTS), before)


def test_a_mean_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of shape \(3,\), got \(2,\)"):
        Standardisation((3,)).set(torch.zeros(2), torch.ones(2))
    with pytest.raises(ValueError, match="real numbers"):
        Standardisation(None).be_identity()
