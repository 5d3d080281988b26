"""Pictures of architectures: readable, complete, never wrong about shapes."""

import random

import pytest
from torch import nn

from search_spaces import Classification, Image, Signature, Space, choice, layer, sequential
from search_spaces.blocks import Parallel
from search_spaces.catalog import catalog, cell, load
from search_spaces.errors import BuildError

SIGNATURE = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})


def test_a_picture_shows_every_layer_with_its_shape_and_parameters() -> None:
    model = sequential(
        layer(nn.Conv2d, out_channels=4, kernel_size=3),
        layer(nn.ReLU),
        layer(Parallel, branches=[layer(nn.Conv2d, out_channels=2, kernel_size=1), layer(nn.Identity)]),
    )
    architecture = Space({"model": model, "recipe": {"rate": 0.12345678}}).sample(random.Random(0))
    assert architecture.draw(SIGNATURE) == "\n".join(
        [
            f"architecture {architecture.id}: 120 parameters, 1,644 multiply-adds",
            "                                                       gives  parameters",
            "input image                                        1 x 8 x 8",
            "├─ Conv2d(out_channels=4, kernel_size=3)           4 x 6 x 6          40",
            "├─ ReLU()                                          4 x 6 x 6",
            "└─ Parallel()                                      6 x 6 x 6          10",
            "   └─ branches: 2 parts",
            "      ├─ 0: Conv2d(out_channels=2, kernel_size=1)  2 x 6 x 6          10",
            "      └─ 1: Identity()                             4 x 6 x 6",
            "head digit (classification)                               10          70",
            "recipe rate=0.1235",
        ]
    )


def test_equal_layers_in_a_row_share_a_line() -> None:
    picture = cell(channels=4, cells=3).sample(random.Random(0)).draw(SIGNATURE)
    assert picture.count("3 x Cell") == 3
    assert picture.count("edges: 1<-0 ") == 3


def test_a_space_without_a_network_is_drawn_too() -> None:
    architecture = Space({"op": choice("a"), "deep": {"x": [1, {"y": 2.0}]}}).sample(random.Random(0))
    assert architecture.draw().splitlines()[1:] == [
        "├─ op: a",
        "└─ deep:",
        "   └─ x: 2 parts",
        "      ├─ 0: 1",
        "      └─ 1: y 2",
    ]


@pytest.mark.parametrize("name", list(catalog))
def test_pictures_of_the_catalog_have_no_trailing_space_and_an_id(name: str) -> None:
    for seed in range(5):
        architecture = load(name).sample(random.Random(seed))
        for picture in (architecture.draw(), architecture.draw(SIGNATURE)):
            assert architecture.id in picture.splitlines()[0]
            assert all(line == line.rstrip() for line in picture.splitlines())


def test_a_network_that_does_not_fit_is_not_drawn_with_shapes() -> None:
    model = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=30))
    with pytest.raises(BuildError, match="Conv2d"):
        Space(model).sample(random.Random(0)).draw(SIGNATURE)
