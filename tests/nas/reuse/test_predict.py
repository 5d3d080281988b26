"""What was found answers in the words of its data, and refuses inputs that it was not made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from joined_networks import architecture
from torch import Tensor, nn

import nas
from nas import Search
from nas.reuse.found import Found
from search_spaces import (
    Architecture,
    Classification,
    CountRegression,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Space,
    Tagging,
    Tokens,
    Vector,
    layer,
    sequential,
)
from search_spaces.blocks import Recurrent, SequenceConvolution
from search_spaces.errors import ProblemError, StoreError, UnknownNameError
from search_spaces.tasks import IGNORED, DenseMap, Generation
from workers.problems import Problem, Split
from workers.weights import to_safetensors

NAMES = ("cat", "dog", "fish")
SEVERAL = Signature(
    {"point": Vector(5), "steps": Sequence(6, 4)},
    {
        "kind": Classification(3, labels=NAMES),
        "size": Regression(1),
        "tags": Tagging(2, labels=("in", "out"), input="steps"),
        "match": Retrieval("point", "steps", features=8),
    },
)


def found_of(built: Architecture, signature: Signature) -> Found:
    """A network with the weights that it begins with."""
    torch.manual_seed(0)
    return Found(built, signature, to_safetensors(built.build(signature)), {}, {}, {})


def lone(kind: Any, task: Any, *layers: Any) -> Found:
    space = Space({"model": sequential(*layers)})
    return found_of(space.plain(), Signature({"x": kind}, {"y": task}))


@pytest.fixture(scope="module")
def joined() -> Found:
    return found_of(architecture(SEVERAL), SEVERAL)


@pytest.fixture(scope="module")
def both() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "point": torch.randn(11, 5, generator=generator),
        "steps": torch.randn(11, 6, 4, generator=generator),
    }


def answers(found: Found, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return found.build()(inputs)  # type: ignore[no-any-return]


def test_labels_of_words_come_back_from_a_search_and_from_its_export(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(90, 2))
    labels = np.array(["small", "large"])[(inputs[:, 0] > 0).astype(int)]
    signature = Signature({"vector": Vector(2)}, {"label": Classification(2, labels=("large", "small"))})
    problem = Problem.from_tensors("words", (inputs, labels), 0.2, 0.2, signature=signature)
    space = Space({"model": sequential(layer(nn.Linear, out_features=9)), "recipe": {"epochs": 40}})
    options: dict[str, Any] = {"executor": "inline", "store": tmp_path / "s.db", "trials": 1}
    Search(space, problem, "random", **options).run()
    best = nas.load(tmp_path / "s.db")
    said = best.predict(inputs)
    assert said.shape == (90,)
    assert set(said) == {"small", "large"}
    assert (said == labels).mean() > 0.9
    loaded = nas.load(best.export(tmp_path / "best"))
    np.testing.assert_array_equal(loaded.predict(inputs.tolist()), said)
    together = nas.ensemble(tmp_path / "s.db", problem=problem)
    np.testing.assert_array_equal(together.predict(inputs, batch_size=7), said)
    card = (tmp_path / "best" / "README.md").read_text()
    assert "What the numbers in the answers to **label** stand for: 0: large, 1: small." in card


def test_several_tasks_answer_by_name_each_in_its_own_words(joined: Found, both: dict[str, Tensor]) -> None:
    said, raw = joined.predict(both, batch_size=4), answers(joined, both)
    assert list(said) == list(SEVERAL.tasks)
    assert list(said["kind"]) == [NAMES[number] for number in raw["kind"].argmax(1)]
    np.testing.assert_allclose(said["size"], raw["size"][:, 0], rtol=1e-5)
    assert said["tags"].tolist() == [[("in", "out")[one] for one in row] for row in raw["tags"].argmax(2)]
    query, gallery = raw["match"].unbind(1)
    assert said["match"].tolist() == (query @ gallery.T).argmax(1).tolist()


def test_what_is_missing_is_missing_for_the_tasks_that_can_do_without(
    joined: Found, both: dict[str, Tensor]
) -> None:
    alone = {"point": both["point"]}
    said = joined.predict(alone, tasks=["kind", "size"])
    raw = answers(joined, alone)
    assert list(said["kind"]) == [NAMES[number] for number in raw["kind"].argmax(1)]
    there = torch.arange(11) < 8
    masked = Split(both, {}, present={"steps": there})
    some = joined.predict(masked, tasks=["size"])["size"]
    np.testing.assert_allclose(some[:8], joined.predict(both)["size"][:8], rtol=1e-5)
    np.testing.assert_allclose(some[8:], said["size"][8:], rtol=1e-5)
    with pytest.raises(
        ProblemError, match="predict: task 'tags' needs the input 'steps', which is not given"
    ):
        joined.predict(alone)
    with pytest.raises(
        ProblemError, match=r"task 'tags': expected input 'steps', got 3 without \(numbers 8,"
    ):
        joined.predict(masked, tasks=["tags"])
    with pytest.raises(ProblemError, match="expected at least one modality in each example"):
        joined.predict(Split(alone, {}, present={"point": there}), tasks=["kind"])


def test_inputs_take_the_form_of_their_kind_as_those_of_a_problem_do() -> None:
    convolution = layer(nn.Conv2d, out_channels=4, kernel_size=3)
    found = lone(Image(3, 8, 8), Regression(4), convolution)  # a class may stay the same by chance
    pixels = torch.randint(0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    said = found.predict(pixels / 255)
    for given in (
        pixels.byte(),
        pixels.byte().permute(0, 2, 3, 1).numpy(),
        (pixels / 255).double().numpy(),
        {"x": pixels.byte()},
        Split({"x": pixels / 255}, {"y": torch.zeros(5)}),
    ):
        np.testing.assert_allclose(found.predict(given), said, rtol=1e-5, atol=1e-6)
    classes = lone(Image(3, 8, 8), Classification(4), convolution)
    black = classes.predict(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))  # is an image of bytes, too
    assert black.shape == (1,)
    assert black.dtype == np.int64  # classes without names are numbers
    whole = lone(Vector(4), Regression(2), layer(nn.Linear, out_features=3))
    assert whole.predict(np.arange(12).reshape(3, 4)).shape == (3, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.rand(3, 5), r"input 'x': expected shape \(N, 4\), got \(3, 5\)"),
        (torch.rand(4), r"expected shape \(N, 4\), got \(4,\); one example is written inputs\[None\]"),
        ([1.0, 2.0, 3.0, 4.0], r"one example is written np.asarray\(inputs\)\[None\]"),
        (np.array([["a"] * 4]), "input 'x': expected numbers, got words"),
        (np.full((2, 4), np.nan), "expected finite numbers"),
        (np.full((2, 4), 1e300), "expected numbers that 32 bits can hold"),
        (torch.rand(0, 4), "expected at least one example"),
        ({"z": torch.rand(2, 4)}, r"expected the inputs \['x'\], got 'z'"),
        ({}, "expected at least one example"),
        (pandas.DataFrame({"a": [1.0]}), r"write inputs\.to_numpy\(\)"),
        (None, "got None"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_was_expected(given: Any, said: str) -> None:
    found = lone(Vector(4), Regression(), layer(nn.Linear, out_features=3))
    with pytest.raises(ProblemError, match=said):
        found.predict(given)


def test_who_asks_wrongly_is_told_how(joined: Found, both: dict[str, Tensor], problem: Problem) -> None:
    with pytest.raises(ProblemError, match=r"expected the inputs \['point', 'steps'\] by name"):
        joined.predict(both["point"])
    with pytest.raises(ProblemError, match=r"targets as inputs|lengths"):
        joined.predict({"point": both["point"], "steps": both["steps"][:3]})
    with pytest.raises(UnknownNameError, match="no task named 'kin'"):
        joined.predict(both, tasks=["kin"])
    with pytest.raises(ProblemError, match="predict, tasks: expected one at least of"):
        joined.predict(both, tasks=[])
    with pytest.raises(ProblemError, match="predict: tasks: expected a list of text, got 'kind'"):
        joined.predict(both, tasks="kind")
    with pytest.raises(ProblemError, match="batch_size: expected"):
        joined.predict(both, batch_size=0)
    with pytest.raises(ProblemError, match=r"write problem\.test"):
        joined.predict(problem)
    with pytest.raises(StoreError, match=r"were not kept.*nas\.retrain trains it again"):
        replace(joined, weights=None).predict(both)


class Broken(nn.Module):
    """What answers NaN to all that is above 1."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 1, torch.nan, x)


def test_an_answer_that_is_no_number_is_no_class() -> None:
    found = lone(Vector(2), Classification(2), layer(Broken))
    assert len(found.predict(torch.rand(3, 2))) == 3
    with pytest.raises(ProblemError, match=r"NaN or infinity to 1 of 3 examples \(the first is number 1\)"):
        found.predict([[0.0, 0.5], [3.0, 3.0], [0.0, 0.0]])


def test_texts_have_tags_where_they_have_words_and_words_up_to_their_end() -> None:
    embedded = layer(nn.Embedding, num_embeddings=9, embedding_dim=4)
    text = torch.tensor([[3, 4, 0, 0], [1, 2, 5, 8]])
    named = lone(Tokens(4, 9), Tagging(2, labels=("in", "out")), embedded).predict(text)
    assert (named[0, 2:] == "").all()
    assert set(named[0, :2]) | set(named[1]) <= {"in", "out"}
    numbers = lone(Tokens(4, 9), Tagging(3), embedded).predict(text)
    assert (numbers[0, 2:] == IGNORED).all()
    assert (numbers[1] >= 0).all()
    writer = lone(Vector(3), Generation(5, 4), layer(nn.Linear, out_features=4))
    inputs = 100 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    texts, raw = writer.predict(inputs).tolist(), answers(writer, {"x": inputs})["y"].argmax(2).tolist()
    assert texts != raw  # it goes on after the end of some
    for one, whole in zip(texts, raw, strict=True):
        end = whole.index(0) if 0 in whole else len(whole)
        assert one == whole[:end] + [0] * (len(whole) - end)


@pytest.mark.parametrize(("discrete", "shape"), [(True, (2, 4, 4)), (False, (2, 3, 4, 4))])
def test_maps_are_classes_or_numbers_of_points(discrete: bool, shape: tuple[int, ...]) -> None:
    task = DenseMap(3, 4, 4, discrete=discrete)
    said = lone(Image(1, 4, 4), task, layer(nn.Conv2d, out_channels=2, kernel_size=1)).predict(
        torch.rand(2, 1, 4, 4)
    )
    assert said.shape == shape
    assert said.dtype == (np.int64 if discrete else np.float32)


def test_several_labels_are_lists_of_names_though_all_may_be_of_one_length() -> None:
    task = MultiLabel(2, labels=("red", "round"))
    said = lone(Vector(2), task, layer(nn.Identity)).predict(torch.randn(40, 2))
    assert (said.dtype, said.shape) == (object, (40,))
    assert {name for row in said for name in row} <= {"red", "round"}
    assert any(len(row) != len(said[0]) for row in said)
    alike = lone(Vector(2), task, layer(nn.Identity)).predict(torch.ones(3, 2))
    assert (alike.shape, type(alike[0])) == ((3,), list)


def test_grades_counts_and_quantiles_answer_in_words_and_numbers() -> None:
    numbers = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    grades = lone(Vector(2), Ordinal(3, labels=("bad", "fair", "good")), layer(nn.Identity)).predict(
        9 * numbers
    )
    assert set(grades) <= {"bad", "fair", "good"}
    assert "bad" in grades
    assert "good" in grades
    counts = lone(Vector(2), CountRegression(), layer(nn.Identity)).predict(numbers)
    assert counts.shape == (30,)
    assert bool((counts > 0).all())
    quantiles = lone(Vector(2), QuantileRegression((0.1, 0.9)), layer(nn.Identity)).predict(numbers)
    assert quantiles.shape == (30, 2)
    assert bool((quantiles[:, 0] <= quantiles[:, 1]).all())


def test_labels_that_are_words_and_numbers_stay_what_they_are() -> None:
    task = Classification(2, labels=("none", 2020))
    said = lone(Vector(2), task, layer(Broken)).predict(torch.rand(60, 2) * 2 - 1)
    assert set(said) == {"none", 2020}


def test_series_of_different_lengths_are_asked_as_a_list_or_padded_with_nan() -> None:
    convolution = layer(SequenceConvolution, out_features=4, kernel_size=3, pooling="max")
    found = lone(Sequence(9, 2, padded=True), Regression(2), convolution)
    numbers = np.random.default_rng(0)
    series = [numbers.normal(size=(length, 2)).astype(np.float32) for length in (4, 9, 1, 6)]
    said = found.predict(series)
    padded = np.full((4, 9, 2), np.nan)
    for row, one in zip(padded, series, strict=True):
        row[: len(one)] = one
        np.testing.assert_allclose(found.predict([one]), said[len(one) == np.array([4, 9, 1, 6])], rtol=1e-5)
    for given in (padded, {"x": series}, [torch.tensor(one) for one in series], Split({"x": series}, {})):
        np.testing.assert_allclose(found.predict(given), said, rtol=1e-5)
    for wrong, why in (
        (series[0], r"got \(4, 2\); one example is written inputs\[None\]"),
        ([*series, np.ones((11, 2))], r"expected up to 9 steps, got float64 \(5, 11, 2\); cut them"),
        (np.where(padded == padded[0, 1, 0], np.nan, padded), "got NaN or infinity in step 1 of example 0"),
        ([one[:, :1] for one in series], r"expected shape \(N, 9, 2\), got \(4, 9, 1\)"),
    ):
        with pytest.raises(ProblemError, match=why):
            found.predict(wrong)


def test_tags_of_padding_are_said_to_be_none() -> None:
    recurrent = layer(Recurrent, out_features=4)
    found = lone(Sequence(5, 2, padded=True), Tagging(2, labels=("in", "out")), recurrent)
    said = found.predict([np.ones((3, 2)), np.ones((5, 2))])
    assert (said != "").tolist() == [[True] * 3 + [False] * 2, [True] * 5]
