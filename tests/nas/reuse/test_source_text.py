"""Which global names a piece of Python refers to, and that what is written as code means the same."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from nas.commands.formats import ExportFormat
from nas.reuse.export import FORMATS
from nas.reuse.export.expressions import WIDTH, Call, Code, Writer, classes_in, comment, docstring, quoted
from nas.reuse.export.folder import read
from nas.reuse.export.names_used import bound, names_used
from nas.reuse.export.source_text import SourceText
from search_spaces import Classification, Image, Space, Tagging, layer, sequential
from search_spaces.blocks import DenseHead
from search_spaces.errors import ExportError, FormatError

CASES = {
    "def f(a, b=c): return a + d(b)": {"c", "d"},
    "def f():\n    x = y\n    return x": {"y"},
    "def f():\n    global x\n    x = 1": {"x"},
    "def f():\n    def g(): return h\n    return g()": {"h"},
    "def f():\n    import a.b\n    from c import d as e\n    return a, e, d": {"d"},
    "def f(v): return [x for x in v if x in k]": {"k"},
    "def f(): return [x for x in x]": {"x"},
    "def f(v): return {k: w for k, w in v}, (u for u in v if (n := u)), n": set(),
    "def f(x):\n match x:\n  case [a, *b]: return a, b\n  case {'k': c, **d}: return c, d": set(),
    "def f():\n    try: g()\n    except E as e: return e": {"g", "E"},
    "lambda a, *b, c=d, **e: (a, b, c, e, f)": {"d", "f"},
    "class A(B, metaclass=M):\n    x = y\n    z = x\n    def f(self): return x": {"B", "M", "y", "x"},
    "@a.b\ndef f(x: c.d) -> e: pass": {"a", "c", "e"},
    "X: T = f(Y)": {"X", "T", "f", "Y"},
    "def f(a):\n    for b in a:\n        with c(b) as d, e: d.g(h)": {"c", "e", "h"},
    "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x += y\n    return g": {"y"},
    "async def f(a): return await b(a)": {"b"},
}


@pytest.mark.parametrize("code", list(CASES))
def test_the_global_names_of_a_piece_of_python_are_found(code: str) -> None:
    names = {one.steps[0][0] for one in names_used(ast.parse(code).body).global_names}
    assert names == CASES[code]


def test_attributes_go_with_their_name_and_annotations_are_told_apart() -> None:
    used = names_used(ast.parse("def f(x: nn.Module):\n    y = x.data\n    return F.relu(y).shape").body)
    told = {".".join(name for name, _ in one.steps): one.annotation for one in used.global_names}
    assert told == {"nn.Module": True, "F.relu": False}
    assert used.attributes == {"Module", "data", "relu", "shape"}
    assert used.local == {"x", "y"}


def test_a_statement_binds_its_names() -> None:
    code = "a = b = 1\nc, (d, *e) = f\nimport g.h, i as j\nclass K: l = 1\nfor m in n: o: int = 2"
    assert bound(ast.parse(code).body) == {"a", "b", "c", "d", "e", "g", "j", "K", "m", "o"}


NAMES = {
    "nn": nn,
    "Chain": nn.Sequential,
    "Tagging": Tagging,
    "Classification": Classification,
    "torch": torch,
}


def write(value: Any) -> str:
    def name_of(thing: Any) -> str:
        return thing.__qualname__ if thing.__qualname__ in NAMES else f"nn.{thing.__qualname__}"

    return Writer(name_of, NAMES["Chain"]).write(value)


VALUES = [
    None, True, -3, 2.5, math.inf, "it's", 'say "so"', "a\\b\n", (1,), (), [1, [2, ()]], {3, 1},
    {"a": {"b": 1}, "c": []}, Tagging(2, labels=("a", "b")), torch.float16,
    [["long" * 8] * 9, {"k" * 30: "v" * 40, "w": ("x" * 60,)}],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_written_as_code_are_equal(value: Any) -> None:
    code = write(value)
    assert eval(code, dict(NAMES)) == value
    assert all(len(line) <= WIDTH for line in code.splitlines())


def test_layers_written_as_code_make_the_same_modules() -> None:
    model = sequential(
        layer(nn.Linear, in_features=3, out_features=4, bias=False),
        layer(
            nn.TransformerEncoder,
            encoder_layer=layer(nn.TransformerEncoderLayer, d_model=4, nhead=2),
            num_layers=1,
        ),
        sequential(layer(nn.Hardtanh, min_val=-math.inf), layer(nn.Identity)),
    )
    code = write(model)
    made = eval(code.replace("nn.Sequential(", "Chain("), dict(NAMES))
    assert [type(module) for module in made] == [nn.Linear, nn.TransformerEncoder, nn.Sequential]
    assert made[2][0].min_val == -math.inf
    assert "\n    " in code
    assert {thing.__name__ for thing in classes_in(model)} == {
        "Linear", "TransformerEncoder", "TransformerEncoderLayer", "Hardtanh", "Identity",
    }  # fmt: skip


def test_code_stands_as_it_is_and_calls_have_both_kinds_of_arguments() -> None:
    assert write(Call(Classification, (Code("n + 1"),))) == "Classification(n + 1)"
    assert write(Call(Classification, named={"classes": 3})) == "Classification(classes=3)"
    with pytest.raises(ExportError, match=r"no Python code for <object object at"):
        write([object()])


CODE = "x=__import__('pathlib').Path('ran').touch(), y"
BREAKING = [
    '"""', "\\", '\\"""', "a\nb", "\r\n__import__('os')", "\x00", "\ud800", "\u2028x", "'" * 3,
    '"""' + " + x + " + '"""',
]  # fmt: skip


def test_a_name_that_is_none_never_becomes_code() -> None:
    made = layer(nn.Identity)
    made.arguments[CODE] = 1  # past the door of layers, as no text can
    for value in (made, Call(nn.Linear, named={CODE: 1}), Call(nn.Linear, named={"lambda": 1})):
        with pytest.raises(ExportError, match="no name in Python"):
            write(value)
    with pytest.raises(ExportError, match="no name in Python"):
        Writer(lambda thing: "nn.Linear()", nn.Sequential).write(nn.Linear)


@pytest.mark.parametrize("text", BREAKING, ids=ascii)
def test_what_is_said_in_a_file_stays_a_text(text: str) -> None:
    for begin, end in (("", ""), ("a", "b"), ('"', '"')):
        (statement,) = ast.parse(docstring(begin + text + end)).body
        assert isinstance(statement, ast.Expr)
        assert isinstance(statement.value, ast.Constant)
        assert ast.parse(comment(begin + text + end)).body == []
        assert ast.literal_eval(quoted(begin + text + end)) == begin + text + end


def test_a_crafted_folder_is_refused_before_anything_is_written_or_run(tmp_path: Path) -> None:
    architecture = Space(sequential(layer(nn.Linear, out_features=3))).plain()
    data = json.loads(architecture.to_json())
    code = CODE.replace("ran", str(tmp_path / "ran"))
    data["value"] = {"$layer": "torch.nn.Identity", "arguments": {code: 1, "y": 1}}
    (tmp_path / "architecture.json").write_text(json.dumps(data))
    (tmp_path / "weights.safetensors").write_bytes(save({"a": torch.zeros(1)}))
    with pytest.raises(FormatError, match="is no name of an argument"):
        read(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_checks_arguments_is_left_out_of_a_file() -> None:
    text = SourceText([Image, DenseHead], [], {})
    source = "\n".join(part for _, part in text.sections())
    assert "class Image(Input):" in source
    assert "checked" not in source
    assert "search_spaces.arguments" not in " ".join(text.imports())
    assert not any("SpaceError" in line for line in text.imports())


def test_the_command_knows_every_format() -> None:
    assert [format.value for format in ExportFormat] == list(FORMATS)
