"""Pictures of architectures: readable, complete, never wrong about shapes."""

import random

import pytest
from torch import nn

from search_spaces import (
    Architecture,
    Classification,
    Image,
    Retrieval,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tagging,
    Tokens,
    choice,
    layer,
    sequential,
)
from search_spaces.blocks import CrfHead, Parallel, Recurrent, TokenEmbedding
from search_spaces.blocks.backbone.backbone import Backbone, needs
from search_spaces.blocks.backbone.patterns import PATTERNS
from search_spaces.catalog import catalog, cell, load
from search_spaces.errors import BuildError

SIGNATURE = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
MIXED = Signature(
    {"image": Image(1, 8, 8), "words": Tokens(6, 20)},
    {"kind": Classification(3), "tags": Tagging(4), "find": Retrieval("image", "words", 5)},
)


def _mixed(kind: str) -> Architecture:
    """Two streams of two stages with two links, three tasks of which the last two part on the way."""
    convolutions = [layer(nn.Conv2d, out_channels=width, kernel_size=3) for width in (4, 6)]
    recurrent = [layer(TokenEmbedding, embedding_dim=4), layer(Recurrent, out_features=6)]
    levels = [{"tags": "kind", "find": "kind"}, {"tags": "tags", "find": "kind"}]
    body = layer(
        Backbone,
        streams={"image": convolutions, "words": recurrent},
        tasks=needs(MIXED),
        sharing={"kind": kind, "levels": levels, "experts": 2},
        links=[
            {"taps": {"image": 0.5, "words": None}, "operator": "gate", "width": 4},
            {"taps": {"image": None, "words": 1.0}, "operator": "concat", "width": 8},
        ],
        task_attention=True,
    )
    heads = {"tags": layer(CrfHead, hidden=8)}
    return Space({"model": {"body": body, "heads": heads}, "recipe": {"epochs": 3}}).architecture({})


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


def test_a_picture_of_streams_shows_their_owners_the_links_and_what_heads_receive() -> None:
    architecture = _mixed("tree")
    assert architecture.draw(MIXED) == "\n".join(
        [
            f"architecture {architecture.id}: 2,124 parameters, 9,300 multiply-adds",
            "                                                                       gives  parameters",
            "input image                                                        1 x 8 x 8",
            "input words                                                                6",
            "stream image",
            "├─ 1: Conv2d(out_channels=4, kernel_size=3)                        4 x 6 x 6          40",
            "└─ 2: Conv2d(out_channels=6, kernel_size=3)  [kind, find]          6 x 4 x 4         222",
            "stream words",
            "├─ 1: TokenEmbedding(embedding_dim=4)                                  6 x 4          80",
            "└─ 2: Recurrent(out_features=6)  [kind, find | tags]                   6 x 6         432",
            "link 1: gate of image 1 to 4  [kind]                                       4          48",
            "link 1: gate of words 2, image 1 to 4, keeping positions  [tags]       6 x 4         144",
            "link 2: concat of link 1, words 2 to 8  [kind]                             8         104",
            "link 2: concat of link 1, words 2 to 8, keeping positions  [tags]      6 x 8         104",
            "attention: each task looks at the others'  [kind | tags]                   8         720",
            "head kind (classification) of attention                                    3          27",
            "head tags (tagging) of attention: CrfHead(hidden=8)                        4         132",
            "head find (retrieval) of image 2, words 2                                  5          71",
            "recipe epochs=3",
        ]
    )
    assert architecture.draw().splitlines()[4:6] == [
        "stream words",
        "├─ 1: TokenEmbedding(embedding_dim=4)",
    ]
    assert architecture.draw(MIXED.only(["words"], ["tags"])).splitlines()[3:] == [
        "stream words",
        "├─ 1: TokenEmbedding(embedding_dim=4)              6 x 4          80",
        "└─ 2: Recurrent(out_features=6)                    6 x 6         216",
        "head tags (tagging) of words 2: CrfHead(hidden=8)      4         116",
        "recipe epochs=3",
    ]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_picture_of_streams_counts_every_parameter_once(kind: str) -> None:
    title, _, *lines = _mixed(kind).draw(MIXED).splitlines()
    counted = [line.split() for line in lines if not line.startswith(("input", "recipe"))]
    counts = [int(words[-1].replace(",", "")) for words in counted if words[-1][-1].isdigit()]
    assert f" {sum(counts):,} parameters" in title
    joins = {"stitch": "cross-stitched", "mask": "seen through a mask", "private": "shared beside private"}
    assert (joins | {"routed": "a mixture of the experts"}).get(kind, "stream image") in "\n".join(lines)


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


OTHERS = {
    "series": Signature({"series": Sequence(9, 3)}, {"kind": Classification(3)}),
    "text": Signature({"text": Tokens(9, 20)}, {"kind": Classification(3)}),
    "table": Signature({"row": TabularRow(3, (2, 9))}, {"kind": Classification(3)}),
    "multitask": Signature({"text": Tokens(9, 20)}, {"kind": Classification(3), "tags": Tagging(4)}),
    "multimodal": MIXED,
}
"""Of spaces that are not for images, or are for a signature, what they serve."""


@pytest.mark.parametrize("name", list(catalog))
def test_pictures_of_the_catalog_have_no_trailing_space_and_an_id(name: str) -> None:
    signature = OTHERS.get(name, SIGNATURE)
    space = load(name, **({"signature": signature} if name in ("multitask", "multimodal") else {}))
    for seed in range(5):
        architecture = space.sample(random.Random(seed))
        for picture in (architecture.draw(), architecture.draw(signature)):
            assert architecture.id in picture.splitlines()[0]
            assert all(line == line.rstrip() for line in picture.splitlines())


def test_a_network_that_does_not_fit_is_not_drawn_with_shapes() -> None:
    model = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=30))
    with pytest.raises(BuildError, match="Conv2d"):
        Space(model).sample(random.Random(0)).draw(SIGNATURE)
