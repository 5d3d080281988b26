"""Names that stored text holds: they stay as they are, whatever the classes are called."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn

from search_spaces import Space, blocks, choice, integer, layer, real, repeat, sequential, size
from search_spaces.blocks.backbone.links import OPERATORS
from search_spaces.blocks.backbone.patterns import PATTERNS
from search_spaces.inputs import Image, Input, Sequence, TabularRow, Tokens, Vector
from search_spaces.registry import reference
from search_spaces.serial import resolve
from search_spaces.signature import Signature
from search_spaces.tasks import (
    Classification,
    DenseMap,
    Generation,
    Regression,
    Retrieval,
    Tagging,
    Task,
)

INPUTS: dict[str, Input] = {
    "Image": Image(1, 8, 8),
    "Sequence": Sequence(5, 2),
    "Tokens": Tokens(5, 20),
    "Vector": Vector(3),
    "TabularRow": TabularRow(2, (5,)),
}
TASKS: dict[str, Task] = {
    "Classification": Classification(3),
    "Regression": Regression(),
    "Tagging": Tagging(3, input="Tokens"),
    "Retrieval": Retrieval("Image", "Vector"),
    "Generation": Generation(3, 20),
    "DenseMap": DenseMap(2, 8, 8),
}
BLOCKS = """
Attend Average Backbone Beside Bottleneck Cell ClassToken Concat ConvNormActivation CrfHead Dense DenseHead
FeatureTokenizer Gate GenerationHead Graph Head HuggingFaceEncoder Inception LowRank MapNorm
MapTransformerLayer NgramEmbedding Parallel PatchEmbedding Pool PyramidBlock Recurrent Reduction Residual
ResidualDense RetrievalHead Route RowEmbedding SelfAttention SequenceConvolution Stage Stitch Sum
TaskAttention TaskMask ToVector TokenEmbedding TransformerLayer
""".split()  # noqa: SIM905
OPTIONS: dict[str, Any] = {
    "Choice": choice(1, 2),
    "Integer": integer(1, 2),
    "Real": real(0, 1),
    "Size": size(1),
    "Space": Space(choice(3, 4)),
    "repeat": repeat("a", 2),
    "sequential": sequential(layer(nn.ReLU)),
    "list": [1],
    "dict": {"a": 1},
}


@contextmanager
def _renamed(things: Iterable[object]) -> Iterator[None]:
    """Within this the classes of these things have another name."""
    classes = [type(thing) for thing in things if type(thing).__module__ != "builtins"]
    names = [(cls.__name__, cls.__qualname__) for cls in classes]
    for cls in classes:
        cls.__name__ = cls.__qualname__ = "Renamed"
    yield
    for cls, (name, qualified) in zip(classes, names, strict=True):
        cls.__name__, cls.__qualname__ = name, qualified


def test_kinds_of_inputs_and_tasks_keep_their_names() -> None:
    signature = Signature(INPUTS, TASKS)
    with _renamed([*INPUTS.values(), *TASKS.values()]):
        data = signature.to_dict()
    assert {name: kind["kind"] for part in data.values() for name, kind in part.items()} == {
        name: name for name in (*INPUTS, *TASKS)
    }
    assert Signature.from_dict(data) == signature


def test_options_that_the_caller_gave_no_label_keep_theirs() -> None:
    with _renamed(OPTIONS.values()):
        labels = choice(*OPTIONS.values()).labels
    assert labels == tuple(OPTIONS)


def test_patterns_and_operators_keep_their_names() -> None:
    assert " ".join(PATTERNS) == "hard independent soft tree stitch mask private routed"
    assert " ".join(OPERATORS) == "sum concat gate attend lowrank"


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_stored_by_the_name_it_is_imported_by(name: str) -> None:
    """A class may be called otherwise only where `reference` goes on to write this name."""
    block = getattr(blocks, name)
    assert reference(block) == f"search_spaces.blocks.{name}"
    assert resolve(f"search_spaces.blocks.{name}") is block


def test_every_block_has_a_stored_name() -> None:
    classes = [name for name in blocks.__all__ if isinstance(getattr(blocks, name), type)]
    assert classes == BLOCKS
