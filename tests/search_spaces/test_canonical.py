"""Identity: what is the same network has one id, what is not has another."""

import random

import numpy as np
import pytest
from torch import nn

from search_spaces import Architecture, Space, layer, sequential, size
from search_spaces.blocks import Cell, ConvNormActivation, Parallel, Stage
from search_spaces.errors import SpaceError


class Own(nn.Module):
    def __init__(self, kernel_size: object = 3, shortcut: object = None, inplace: bool = False) -> None:
        super().__init__()


class OwnCell(Cell):
    """A cell that does something else must not be taken for a cell."""


def _id(value: object) -> str:
    return Space(value).sample(random.Random(0)).id


def conv(**arguments: object) -> object:
    return layer(nn.Conv2d, **{"out_channels": 8, "kernel_size": 3, **arguments})


relu, one, two = layer(nn.ReLU), layer(nn.Linear, out_features=1), layer(nn.Linear, out_features=2)

SAME = [
    ("one part in a row is that part", sequential(relu), relu),
    ("sequentials are flattened", sequential(one, sequential(relu, two)), sequential(one, relu, two)),
    ("None and identities do nothing", sequential(one, None, layer(nn.Identity), two), sequential(one, two)),
    ("an empty row is an identity", sequential(one, sequential()), one),
    ("dropout of nothing does nothing", sequential(one, layer(nn.Dropout, p=0)), one),
    ("defaults need not be said", conv(stride=1, bias=True), conv()),
    ("in place or not", layer(nn.ReLU, inplace=True), relu),
    ("a size for every axis", conv(kernel_size=(3, 3)), conv()),
    ("padding in words", conv(padding="same"), conv(padding=1)),
    ("padding in words, wider", conv(padding="same", dilation=2), conv(padding=2, dilation=2)),
    ("no padding in words", conv(padding="valid"), conv()),
    ("pooling steps by its kernel", layer(nn.MaxPool2d, kernel_size=2, stride=2), layer(nn.MaxPool2d, 2)),
    ("whole floats are whole numbers", {"a": 1.0}, {"a": 1}),
    ("tuples are lists", {"a": (1, 2)}, {"a": [1, 2]}),
    ("order of keys", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ("numpy's numbers", {"a": np.float64(0.5), "b": np.int64(3)}, {"a": 0.5, "b": 3}),
    ("a list of layers is a model", {"model": [one, [relu]]}, {"model": sequential(one, relu)}),
    ("branches in any order",
     layer(Parallel, branches=[one, None, two]), layer(Parallel, branches=[two, one], join="concat")),
    ("one branch is itself", layer(Parallel, branches=[None, one]), one),
    ("two stages of one block",
     sequential(layer(Stage, out_channels=8), layer(Stage, out_channels=8)),
     layer(Stage, out_channels=8, depth=2)),
    ("a stage of one plain block", layer(Stage, out_channels=8), layer(ConvNormActivation, out_channels=8)),
    ("a cell of one skip", sequential(one, layer(Cell, edges={"3<-0": "skip_connect"}), two),
     sequential(one, two)),
    ("batches come first unless said", layer(nn.LSTM, hidden_size=3, batch_first=True),
     layer(nn.LSTM, hidden_size=3)),
]  # fmt: skip

DIFFERENT = [
    ("order of layers", sequential(one, two), sequential(two, one)),
    ("a number and its text", {"a": 1}, {"a": "1"}),
    ("a number and a truth value", {"a": 1}, {"a": True}),
    ("None and a missing key", {"a": None}, {}),
    ("one list and two", {"a": [[1], 2]}, {"a": [[1, 2]]}),
    ("dropout", sequential(one, layer(nn.Dropout, p=0.1)), one),
    ("no part and a part that passes on",
     layer(Own, shortcut=None), layer(Own, shortcut=layer(nn.Identity))),
    ("sizes of a user's own class", layer(Own, kernel_size=[3, 3]), layer(Own, kernel_size=3)),
    ("in place in a user's own class", layer(Own, inplace=True), layer(Own)),
    ("a derived cell", layer(OwnCell, edges={"3<-0": "skip_connect"}),
     layer(Cell, edges={"3<-0": "skip_connect"})),
    ("a sum and a concatenation",
     layer(Parallel, branches=[one, one], join="sum"), layer(Parallel, branches=[one, one])),
    ("a branch that passes on and none",
     layer(Parallel, branches=[one, layer(nn.Identity)], join="sum"), layer(Parallel, branches=[one])),
    ("kernel by axis", conv(kernel_size=(3, 1)), conv()),
    ("size of another axis", layer(nn.Linear, size(1), 2), layer(nn.Linear, size(2), 2)),
    ("batch first or not", layer(nn.LSTM, hidden_size=3, batch_first=False), layer(nn.LSTM, hidden_size=3)),
    ("classes as arguments", layer(Own, shortcut=nn.ReLU), layer(Own, shortcut=nn.GELU)),
    ("the recipe", {"model": one, "recipe": {"rate": 0.1}}, {"model": one, "recipe": {"rate": 0.2}}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "one", "other"), SAME, ids=[rule for rule, *_ in SAME])
def test_what_is_the_same_has_one_identity(rule: str, one: object, other: object) -> None:
    assert _id(one) == _id(other)


@pytest.mark.parametrize(("why", "one", "other"), DIFFERENT, ids=[why for why, *_ in DIFFERENT])
def test_what_differs_has_another_identity(why: str, one: object, other: object) -> None:
    assert _id(one) != _id(other)


@pytest.mark.parametrize(
    "value", [value for _, *pair in SAME + DIFFERENT for value in pair], ids=lambda value: ""
)
def test_identities_survive_json(value: object) -> None:
    architecture = Space(value).sample(random.Random(0))
    assert Architecture.from_json(architecture.to_json()).id == architecture.id


def test_arguments_that_a_class_refuses_still_have_an_identity() -> None:
    assert _id(layer(Stage, out_channels=8, block="no such")) != _id(
        layer(Stage, out_channels=8, block="none")
    )
    assert _id(layer(Cell, edges={"9<-0": "x"})) != _id(layer(Cell, edges=3))


def test_objects_without_a_name_have_no_identity() -> None:
    with pytest.raises(SpaceError, match="no identity"):
        _id({"a": object()})


def test_identities_are_sixteen_hex_digits_known_by_heart() -> None:
    """A store on disk depends on them: a change of the form is a change of its version."""
    value = {"model": sequential(conv(), relu), "recipe": {"rate": 0.1, "epochs": 3}}
    assert _id(value) == "84ad63718bddf3ee"
