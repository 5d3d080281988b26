"""Layers for rows of tables: what they make of numbers and categories, and how they learn of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Classification, Image, Signature, Space, TabularRow, Vector, layer, sequential
from search_spaces.blocks import (
    ClassToken,
    Dense,
    FeatureTokenizer,
    Graph,
    ResidualDense,
    RowEmbedding,
    ToVector,
    TransformerLayer,
)
from search_spaces.blocks.tabular import CategoryEmbeddings, PeriodicEmbedding, embedding_size
from search_spaces.errors import BuildError

ROWS = torch.tensor([[0.5, -1.0, 2.0, 0.0], [1.5, 2.0, 0.0, 6.0], [0.0, 0.0, 1.0, 3.0]])
"""Two numbers, a column of three categories and one of seven."""

COUNTS = (3, 7)
SIGNATURE = Signature({"row": TabularRow(2, COUNTS)}, {"kind": Classification(3)})


def test_a_vector_has_the_numbers_and_then_each_category_embedded() -> None:
    made = RowEmbedding(4, COUNTS, embedding_dim=4)
    answer = made(ROWS)
    assert answer.shape == (3, 2 + 3 + 4)
    assert torch.equal(answer[:, :2], ROWS[:, :2])
    for place, embedding in enumerate(made.categories):
        assert isinstance(embedding, nn.Embedding)
        for row, category in zip(answer, ROWS[:, 2 + place].int().tolist(), strict=True):
            piece = row[2:5] if place == 0 else row[5:]
            assert torch.equal(piece, embedding.weight[category])


def test_the_size_of_an_embedded_category_follows_the_count_up_to_a_bound() -> None:
    assert [embedding_size(count, 50) for count in (2, 3, 7, 20, 100, 2**24)] == [2, 3, 5, 9, 21, 50]


def test_a_missing_category_begins_as_nothing_and_learns() -> None:
    for made in (RowEmbedding(4, COUNTS), FeatureTokenizer(4, COUNTS), ToVector(categories=COUNTS)):
        embeddings = made.categories
        assert isinstance(embeddings, CategoryEmbeddings)
        for embedding in embeddings:
            assert isinstance(embedding, nn.Embedding)
            assert not embedding.weight[0].any()
            assert embedding.weight[1:].abs().sum(1).min() > 0
        made(ROWS).sum().backward()
        assert embeddings[0].weight.grad[0].any()  # type: ignore[index,union-attr]


def test_numbers_are_embedded_by_sines_and_cosines_of_their_own_frequencies() -> None:
    torch.manual_seed(0)
    made = PeriodicEmbedding(2, 5, frequencies=3, sigma=0.5)
    answer = made(ROWS[:, :2])
    assert answer.shape == (3, 2, 5)
    for row in range(3):
        for column in range(2):
            angles = 2 * math.pi * made.frequencies[column] * ROWS[row, column]
            waves = torch.cat([angles.sin(), angles.cos()])
            wanted = (waves @ made.weight[column] + made.bias[column]).relu()
            torch.testing.assert_close(answer[row, column], wanted)
    wide = PeriodicEmbedding(100, 1, frequencies=100, sigma=0.03)
    assert float(wide.frequencies.detach().std()) == pytest.approx(0.03, rel=0.05)
    embedded = RowEmbedding(4, COUNTS, embedding_dim=4, frequencies=3, features=5)
    assert embedded(ROWS).shape == (3, 2 * 5 + 3 + 4)


def test_a_token_is_a_multiple_of_a_vector_or_an_embedding_and_a_bias() -> None:
    made = FeatureTokenizer(4, COUNTS, embedding_dim=6)
    tokens = made(ROWS)
    assert tokens.shape == (3, 5, 6)
    assert made.weight is not None
    assert torch.equal(tokens[:, 0], made.bias[0].expand(3, 6))
    torch.testing.assert_close(tokens[:, 2], ROWS[:, 1:2] * made.weight[1] + made.bias[2])
    torch.testing.assert_close(tokens[:, 4], made.categories[1](ROWS[:, 3].long()) + made.bias[4])
    periodic = FeatureTokenizer(4, COUNTS, embedding_dim=6, frequencies=3)
    assert periodic(ROWS).shape == (3, 5, 6)
    assert periodic.periodic is not None
    torch.testing.assert_close(periodic(ROWS)[:, 1:3], periodic.periodic(ROWS[:, :2]) + periodic.bias[1:3])


@pytest.mark.parametrize("frequencies", [0, 3])
@pytest.mark.parametrize(("columns", "counts"), [(2, ()), (2, COUNTS)], ids=["numbers", "categories"])
def test_rows_of_numbers_or_of_categories_alone_enter_too(
    columns: int, counts: tuple[int, ...], frequencies: int
) -> None:
    rows = (ROWS[:, 2:] if counts else ROWS[:, :2]).clone()
    for made in (
        RowEmbedding(columns, counts, frequencies=frequencies),
        FeatureTokenizer(columns, counts, frequencies=frequencies),
    ):
        answer = made(rows.requires_grad_())
        answer.square().sum().backward()
        assert all(parameter.grad is not None for parameter in made.parameters())


def test_frequencies_below_0_are_refused() -> None:
    for made in (RowEmbedding, FeatureTokenizer):
        with pytest.raises(ValueError, match="expected frequencies >= 0, got -1"):
            made(4, COUNTS, frequencies=-1)


def test_a_residual_block_adds_to_what_it_gets() -> None:
    block = ResidualDense(4, ratio=1.5, normalisation="layer").eval()
    nn.init.zeros_(block.branch[3].weight)  # type: ignore[arg-type]
    nn.init.ones_(block.branch[3].bias)  # type: ignore[arg-type]
    assert torch.equal(block(ROWS), ROWS + 1)
    assert block.branch[0].weight.shape == (6, 4)
    with pytest.raises(ValueError, match="expected normalisation from none, batch, layer, got 'group'"):
        ResidualDense(4, normalisation="group")


def test_the_class_token_is_the_first_one() -> None:
    tokens = torch.randn(2, 3, 4)
    made = ClassToken(4)
    assert torch.equal(made(tokens), made.norm(tokens[:, 0]).relu())


def built(*parts: Any, signature: Signature = SIGNATURE) -> Any:
    return Space(sequential(*parts)).plain().build(signature)


def test_layers_are_told_the_categories_of_the_row_that_comes_in() -> None:
    for entry in (RowEmbedding, ToVector, FeatureTokenizer):
        network = built(layer(entry))
        assert [one.num_embeddings for one in network.body[0].categories] == [3, 7]
        assert network(ROWS).shape == (3, 3)
    vectors = Signature({"point": Vector(4)}, {"kind": Classification(3)})
    assert not len(built(layer(RowEmbedding), signature=vectors).body[0].categories)
    assert built(layer(ToVector), signature=vectors).body[0].categories is None


def test_each_call_of_a_graph_is_told_of_its_own_row() -> None:
    signature = Signature(
        {"a": TabularRow(1, (5,)), "b": TabularRow(1, (9,)), "c": Vector(2)}, {"kind": Classification(3)}
    )
    parts = {name: layer(RowEmbedding) for name in "abc"}
    parts["join"] = layer(Beside)
    calls = {**{f"{name}1": [name, name] for name in "abc"}, "all": ["join", "a1", "b1", "c1"]}
    graph = layer(Graph, parts=parts, calls=calls, outputs={"kind": ["all"]})
    network = Space(graph).plain().build(signature)
    counts = {name: [one.num_embeddings for one in network.body.parts[name].categories] for name in "abc"}
    assert counts == {"a": [5], "b": [9], "c": []}


class Beside(nn.Module):
    """Vectors beside each other."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)


def test_what_comes_later_is_no_row_and_says_so() -> None:
    with pytest.raises(BuildError, match=r"model\.1: RowEmbedding takes rows of a table .*\(2,\)$"):
        built(layer(nn.Linear, out_features=2), layer(RowEmbedding))
    images = Signature({"image": Image(1, 4, 4)}, {"kind": Classification(3)})
    with pytest.raises(BuildError, match=r"FeatureTokenizer takes rows of a table .*\(1, 4, 4\)$"):
        built(layer(FeatureTokenizer), signature=images)
    told = built(layer(nn.Identity), layer(RowEmbedding, categories=[3, 7]))
    assert [one.num_embeddings for one in told.body[1].categories] == [3, 7]


def test_a_row_with_categories_alone_needs_no_scale_and_trains() -> None:
    signature = Signature({"row": TabularRow(0, COUNTS)}, {"kind": Classification(3)})
    network = built(layer(ToVector), layer(Dense, out_features=4), signature=signature)
    assert not network.input_standardisation("row").is_open
    network(ROWS[:, 2:]).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_parts_of_a_transformer_of_features_fit_together() -> None:
    network = built(layer(FeatureTokenizer, embedding_dim=8), layer(TransformerLayer), layer(ClassToken))
    assert network(ROWS).shape == (3, 3)


def test_what_is_said_of_frequencies_counts_only_where_there_are_some() -> None:
    def identity(factory: type, **options: Any) -> str:
        return Space(sequential(layer(factory, **options))).plain().id

    for factory in (RowEmbedding, FeatureTokenizer):
        assert identity(factory, sigma=1.0) == identity(factory, sigma=0.1) == identity(factory)
        assert identity(factory, frequencies=4, sigma=1.0) != identity(factory, frequencies=4)
    assert identity(RowEmbedding, features=4) == identity(RowEmbedding)
    assert identity(RowEmbedding, categories=[3]) != identity(RowEmbedding)
