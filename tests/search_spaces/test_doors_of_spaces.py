"""What people write wrongly in a space is answered by one line that says what to write."""

from __future__ import annotations

import json
import math
import operator
import random
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from search_spaces import (
    Architecture,
    Classification,
    Image,
    Sequence,
    Signature,
    Space,
    Vector,
    choice,
    integer,
    layer,
    real,
    repeat,
    sequential,
    size,
)
from search_spaces.blocks import Graph, HuggingFaceEncoder
from search_spaces.bounds import Bounds, variable
from search_spaces.errors import BuildError, FormatError, SpaceError
from search_spaces.nodes import Layer

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(3)})


def _relu_of(x: Any) -> Any:
    return x


@pytest.mark.parametrize("undecided", [integer(8, 64), real(0, 1), choice(8, 16), size(1)])
@pytest.mark.parametrize(
    "compute",
    [
        lambda k: k // 2, lambda k: 2 * k, lambda k: k + 1, lambda k: 1 - k, lambda k: k / 2, lambda k: 2**k,
        lambda k: -k, lambda k: k % 2, lambda k: k < 3, lambda k: k >= 3, bool, int, float,
        lambda k: 1 if k else 2, range, abs, round, math.floor, list, lambda k: k[0], operator.index,
    ],
)  # fmt: skip
def test_nobody_computes_with_what_is_not_decided(undecided: Any, compute: Callable[[Any], object]) -> None:
    with pytest.raises(SpaceError, match=r"decided when the space is filled.*choice\(8, 16\)"):
        compute(undecided)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: choice([8, 16]), r"the only option is a list.*choice\(8, 16\)"),
        (lambda: choice((8, 16)), r"the only option is a tuple.*choice\(\*options\)"),
        (lambda: choice(range(5)), r"choice\(0, 1, 2, \.\.\.\)"),
        (lambda: choice({8}), "the only option is a set"),
        (lambda: choice(np.array([1, 2])), r"choice\(1, 2\)"),
        (lambda: choice(nn.ReLU()), r"made already.*layer\(nn\.ReLU, \.\.\.\), got ReLU\(\)"),
        (lambda: choice(relu=nn.ReLU()), r"layer\(nn\.ReLU"),
        (lambda: choice(nn.ReLU, nn.GELU), r"the class ReLU.*layer\(nn\.ReLU, \.\.\.\).*choice\(ReLU=ReLU\)"),
        (lambda: choice(_relu_of, None), r"the function _relu_of.*layer\(Mine\)"),
        (lambda: sequential(nn.ReLU()), r"part 0 is a module.*layer\(nn\.ReLU"),
        (lambda: sequential(nn.ReLU), r"part 0: expected layer\(nn\.ReLU, \.\.\.\)"),
        (lambda: sequential(layer(nn.ReLU), choice(a=nn.GELU, b=None)), r"part 1: option 'a': .*nn\.GELU"),
        (lambda: sequential([repeat(nn.ReLU, 2)]), r"part 0: member 0: the block of the repeat: .*nn\.ReLU"),
        (lambda: sequential([3]), "part 0: member 0: expected layers"),
        (lambda: repeat(nn.ReLU(), 2), r"block is a module.*layer\(nn\.ReLU"),
        (lambda: layer(nn.TransformerEncoder, encoder_layer=nn.TransformerEncoderLayer(4, 1)),
         r"encoder_layer=\.\.\.\) is a module"),
        (lambda: layer(nn.ReLU()), r"expected a class of torch modules, not a module: layer\(nn\.ReLU"),
        (lambda: layer(_relu_of), "whose forward calls the function"),
        (lambda: layer(nn.Conv2d, out_chanels=3), r"'out_chanels'; did you mean 'out_channels'\?"),
        (lambda: layer(nn.Conv2d, **{"a b": 3}), "'a b' is no name of an argument"),
        (lambda: Space(nn.Linear(2, 2)), r"the space is a module.*layer\(nn\.Linear"),
        (lambda: Space({"model": nn.ReLU}), r"model: expected layer\(nn\.ReLU"),
        (lambda: Space({"model": choice(relu=nn.ReLU, gelu=nn.GELU)}), r"model: option 'relu'"),
        (lambda: Space({"a": [nn.ReLU()]}), r"a\.0 is a module"),
        (lambda: integer(1, 10**400), "2\\*\\*53"),
        (lambda: integer(1, 4, log="no"), "log: expected True or False, got 'no'"),
        (lambda: real(0, 10**400), "finite"),
        (lambda: real(5e-324, 1e308, log=True), "too wide"),
        (lambda: size(True), "size: axis: expected a whole number, got True"),
        (lambda: Space(choice(1, 2)).sample(3), r"random\.Random"),
        (lambda: Space.from_json("{}", modules=3), "modules: expected a list of classes"),
        (lambda: Space.from_json("{}", modules=[nn.ReLU()]), "modules: expected classes"),
    ],
)  # fmt: skip
def test_what_is_written_wrongly_is_refused_with_what_to_write(make: Callable[[], object], says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        make()


def test_a_class_may_be_the_argument_of_a_layer() -> None:
    class Own(nn.Module):
        def __init__(self, norm: type) -> None:
            super().__init__()
            self.norm = norm(4)

    space = Space(sequential(layer(Own, norm=choice(batch=nn.BatchNorm1d, layer=nn.LayerNorm))))
    assert [a.decisions["0.norm"] for a in space.enumerate()] == ["batch", "layer"]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16])
def test_numbers_of_numpy_are_the_numbers_they_are(kind: Any) -> None:
    numbers = Space(
        [
            integer(kind(1), kind(4)), choice(kind(2), kind(3)), repeat(choice(0, 1), kind(2)),
            real(np.float32(0), np.float64(1)), layer(nn.Linear, out_features=kind(3)), size(kind(1)),
        ]
    )  # fmt: skip
    plain = Space(
        [
            integer(1, 4), choice(2, 3), repeat(choice(0, 1), 2), real(0.0, 1.0),
            layer(nn.Linear, out_features=3), size(1),
        ]
    )  # fmt: skip
    assert numbers.to_json() == plain.to_json()
    assert numbers.plain().id == plain.plain().id
    assert Space(choice(1, 2)).architecture({"value": kind(2)}).decisions == {"value": 2}
    assert Image(kind(1), kind(2), kind(3)) == Image(1, 2, 3)
    assert type(Image(kind(1), 2, 3).channels) is int


# -- what is too large -------------------------------------------------------------------------------------


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _text(value: Any, form: str) -> str:
    return json.dumps({"format": form, "id": "0" * 16, "decisions": {}, "value": value})


_SQUARED = {"$repeat": {"$repeat": {"$layer": "torch.nn.ReLU", "arguments": {}}, "times": 10_000},
            "times": 10_000}  # fmt: skip
_TIMES = [
    {"$repeat": choice_, "times": {"$integer": [0, 50, 1], "log": False, "name": f"n{i}"}}
    for i in range(12)
    for choice_ in ({"$choice": [["a", 1], ["b", 2]], "name": None},)
]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Space(repeat(repeat(layer(nn.ReLU), 10_000), 10_000)),
        lambda: Space({"model": sequential(*[layer(nn.ReLU) for _ in range(100_000)])}),
        lambda: sequential(*[None] * 10**6),
        lambda: choice(*range(10**6)),
        lambda: choice(**{f"o{i}": i for i in range(100_000)}),
        lambda: repeat(1, 10**6),
        lambda: Space(_nested(10**4)),
        lambda: Space.from_json(_text(_SQUARED, "nasforge-space/1")),
        lambda: Space.from_json(_text({"$choice": [[i, i] for i in range(10**6)], "name": None},
                                      "nasforge-space/1")),
        lambda: Space.from_json(_text([1] * 10**6, "nasforge-space/1")),
        lambda: Space.from_json(_text(1, "nasforge-space/1").replace('"value": 1', '"value": '
                                                                     + "[" * 10**5 + "]" * 10**5)),
        lambda: Architecture.from_json(_text(_nested(900), "nasforge-architecture/1")),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises((SpaceError, FormatError)):
        make()


def test_the_bound_that_is_passed_is_named_with_what_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpaceError, match=r"more than 50,000 parts \(the bound; NAS_MOST_PARTS moves it\)"):
        Space(repeat(repeat(1, 10_000), 10_000))
    monkeypatch.setenv("NAS_MOST_PARTS", "7")
    assert Bounds.from_environment() == Bounds(parts=7)
    monkeypatch.setenv("NAS_MOST_PARTS", "many")
    with pytest.raises(SpaceError, match="NAS_MOST_PARTS: expected a whole number"):
        Bounds.from_environment()


def test_the_guide_tells_every_bound_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bounds.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(NAS_MOST_\w+)` \| ([\d,]+) \|", text, re.MULTILINE))
    assert told == {variable(one.name): f"{one.default:,}" for one in fields(Bounds)}


def test_a_space_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(SpaceError, match="levels"):
        Space(value)


def test_a_size_that_would_take_too_long_to_count_is_not_counted() -> None:
    # twelve lengths that each stand in two places: 51**12 cases
    space = Space.from_json(_text(_TIMES + _TIMES, "nasforge-space/1"))
    assert space.size() == math.inf
    with pytest.raises(SpaceError, match="NAS_MOST_STATES"):
        space.enumerate()
    assert "infinitely" in repr(space)
    huge = Space(repeat(choice(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 4_000))
    assert huge.size() == 10**4000
    assert "about 1e4000" in repr(huge)


@pytest.mark.parametrize(
    "body",
    [
        layer(nn.LSTM, hidden_size=2, num_layers=10**6),
        sequential(layer(nn.Flatten), repeat(layer(nn.Linear, out_features=2), 5_000)),
        layer(nn.TransformerEncoder, num_layers=10**6, encoder_layer=layer(
            nn.TransformerEncoderLayer, nhead=1, dim_feedforward=2)),
    ],
)  # fmt: skip
def test_a_network_of_too_many_parts_is_refused(body: Any) -> None:
    architecture = Space({"model": body}).plain()
    with pytest.raises(BuildError, match="NAS_MOST_MODULES"):
        architecture.cost(Signature({"x": Sequence(5, 4)}, {"y": Classification(2)}))


class Two(nn.Module):
    """A module of two inputs."""

    def forward(self, left: Any, right: Any) -> Any:
        return left + right


PAIR = Signature({"left": Vector(4), "right": Vector(4)}, {"y": Classification(2)})


def test_a_module_of_two_inputs_is_told_of_graphs() -> None:
    architecture = Space({"model": layer(Two)}).plain()
    with pytest.raises(BuildError, match=r"one input.*layer\(Graph, parts=.*'left', 'right'") as caught:
        architecture.cost(PAIR)
    written = str(caught.value).partition("expected ")[2].partition(", or a space")[0]
    graph = eval(written, {"layer": layer, "Graph": Graph, "Two": Two})  # as the message says
    assert Space({"model": graph}).plain().cost(PAIR).num_params == 2 * 4 + 2
    with pytest.raises(BuildError, match=r"forward takes left, right.*blocks\.Graph"):
        architecture.cost(Signature({"left": Vector(4)}, {"y": Classification(2)}))


def test_a_plain_module_as_a_head_is_told_what_heads_are() -> None:
    value = {"body": layer(nn.Flatten), "heads": {"digit": layer(nn.Linear, out_features=3)}}
    with pytest.raises(BuildError, match=r"the head of 'digit': Linear is a plain module.*task, shape"):
        Space({"model": value}).plain().cost(DIGITS)


# -- what is data and would be code ------------------------------------------------------------------------

MARK = "x=__import__('pathlib').Path({path!r}).touch(), y"


@pytest.mark.parametrize("name", [MARK, "", "a.b", "lambda", "x y", "self", "*", "é=1"])
@pytest.mark.parametrize("factory", ["torch.nn.Identity", "torch.nn.Linear"])
def test_an_argument_whose_name_is_none_of_the_layers_is_refused(
    name: str, factory: str, tmp_path: Path
) -> None:
    file = tmp_path / "ran"
    arguments = {name.format(path=str(file)): 1}
    with pytest.raises(FormatError, match=r"broken '\$layer'"):
        Architecture.from_json(_text({"$layer": factory, "arguments": arguments}, "nasforge-architecture/1"))
    with pytest.raises(FormatError, match=r"broken '\$layer'"):
        Space.from_json(_text({"model": [{"$layer": factory, "arguments": arguments}]}, "nasforge-space/1"))
    with pytest.raises(SpaceError):
        Layer(getattr(nn, factory.rpartition(".")[2]), arguments)
    assert not file.exists()


@pytest.mark.parametrize(
    "value",
    [
        {"$layer": "torch.nn.ReLU", "arguments": {}, "more": 1},
        {"$size": 1, "$layer": "torch.nn.ReLU"},
        {"$integer": [1, 2, 1], "log": "no", "name": None},
        {"$integer": [1, 2, 1], "log": False, "name": None, "step": 2},
        {"$size": 1e400}, {"$size": True}, {"$choice": [[1]], "name": None}, {"$choice": [["a", 1]]},
        {"$layer": [], "arguments": {}}, {"$layer": "torch.nn.ReLU", "arguments": 3},
    ],
)  # fmt: skip
def test_nothing_in_json_is_ignored_and_nothing_broken_is_raw(value: Any) -> None:
    with pytest.raises(FormatError):
        Space.from_json(_text(value, "nasforge-space/1"))


def test_the_encoder_that_loads_by_name_takes_no_other_model() -> None:
    assert "config" in Layer(HuggingFaceEncoder, {"config": {}}).arguments


def test_a_signature_that_is_none_says_so() -> None:
    architecture = Space(sequential(layer(nn.Flatten))).sample(random.Random(0))
    for call in (architecture.build, architecture.cost, architecture.draw, architecture.resolved):
        with pytest.raises(BuildError, match=r"problem\.signature"):
            call("digits")  # type: ignore[operator]
