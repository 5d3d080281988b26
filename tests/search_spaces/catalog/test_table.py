"""The space for rows of tables: what it begins with, and where it is taken."""

from __future__ import annotations

import random

import pytest
import torch

from search_spaces import Classification, Regression, Signature, TabularRow, Tagging, Tokens
from search_spaces.catalog import encoder, load, model_for, multimodal, recipe_for
from search_spaces.errors import SpaceError
from search_spaces.testing import random_inputs

ROW = TabularRow(3, (2, 9))
SIGNATURE = Signature({"row": ROW}, {"kind": Classification(3)})


def test_the_plain_network_is_a_perceptron_of_two_layers_on_numbers_as_they_are() -> None:
    decisions = load("table").plain().decisions
    assert (decisions["0"], decisions["0.mlp.0"], decisions["0.mlp.1.times"]) == ("mlp", "plain", 2)
    assert load("table").plain().cost(SIGNATURE).num_params < 30_000


def test_without_layers_a_model_is_linear_in_its_numbers() -> None:
    network = load("table").plain({"0.mlp.1.times": 0}).build(SIGNATURE).eval()
    rows = ROW.random(4)
    further, twice = rows.clone(), rows.clone()
    further[:, :3] += 1.0
    twice[:, :3] += 2.0
    torch.testing.assert_close(network(twice) - network(further), network(further) - network(rows))


def test_a_lone_row_is_served_by_tables_and_several_inputs_by_encoders_of_vectors() -> None:
    assert model_for(SIGNATURE) == "table"
    assert model_for(Signature({"row": ROW}, {"a": Classification(2), "b": Regression()})) == "multitask"
    assert "augmentation" not in recipe_for(SIGNATURE).holes()
    rng = random.Random(0)
    for _ in range(5):
        features = encoder(ROW).sample(rng).build(SIGNATURE).encode(ROW.random(4)).features["kind"]
        assert isinstance(features, torch.Tensor)
        assert features.dim() == 2
    both = Signature(
        {"row": ROW, "words": Tokens(6, 20)}, {"kind": Classification(2), "tags": Tagging(3, input="words")}
    )
    space = multimodal(both, encoders={"row": ["resnet"]})
    answers = space.sample(rng).build(both)(random_inputs(both, 3))
    assert (answers["kind"].shape, answers["tags"].shape) == ((3, 2), (3, 6, 3))


def test_kinds_and_embeddings_are_checked() -> None:
    with pytest.raises(SpaceError, match="kinds: expected kinds from mlp, resnet, transformer, got 'forest'"):
        load("table", kinds=("forest",))
    with pytest.raises(SpaceError, match="embeddings: expected kinds from plain, periodic, got 'bins'"):
        load("table", embeddings=("bins",))
    with pytest.raises(SpaceError, match="layers: expected a whole number >= 1"):
        load("table", layers=0)
    assert not any("sigma" in path for path in load("table", embeddings=("plain",)).holes())
