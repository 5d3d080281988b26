"""JSON: what goes out comes back, and nothing from a stranger is run."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import search_spaces.blocks  # noqa: F401 - our own blocks may be imported to look a name up; nothing else may
from search_spaces import Architecture, Signature, Space, Vector, choice, integer, layer, real, sequential
from search_spaces.errors import FormatError, NasError, SpaceError
from search_spaces.signature import Classification, Image, Regression, Sequence, TabularRow, Tagging, Tokens


def _text(value: object, form: str = "nasforge-architecture/1", **more: object) -> str:
    return json.dumps({"format": form, "id": "0" * 16, "decisions": {}, "value": value, **more})


def test_a_space_with_everything_comes_back() -> None:
    space = Space(
        {
            "model": sequential(layer(nn.Conv2d, out_channels=choice(8, 16), kernel_size=(3, 3)), None),
            "rate": real(1e-4, 1e-1, log=True, name="rate"),
            "widths": [integer(1, 9, step=2), (1, 2.5, None, True)],
            "class": choice(hard=nn.ReLU, soft=nn.GELU),
        }
    )
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.to_json() == space.to_json()
    assert again.sample(random.Random(3)).id == space.sample(random.Random(3)).id


@pytest.mark.parametrize(
    "name", ["os.system", "subprocess.Popen", "builtins.eval", "torch.nn.init", "torch.nn.functional.relu",
             "torch.nn.Module.__class__", "torch.nn.modules.linear.Linear", "torch.load",
             "search_spaces.blocks.torch.load", "search_spaces.blocks.cell", "a_strangers.Net",
             "", 3, None, ["x"]],
)  # fmt: skip
def test_a_layer_that_is_not_in_the_table_is_refused_and_nothing_is_imported(name: object) -> None:
    before = set(sys.modules)
    for value in ({"$layer": name, "arguments": {}}, [{"a": {"$module": name}}]):
        with pytest.raises(FormatError):
            Architecture.from_json(_text(value))
        with pytest.raises(FormatError):
            Space.from_json(_text(value, "nasforge-space/1"))
    assert set(sys.modules) == before


def test_an_own_class_must_be_handed_over() -> None:
    text = _text({"$layer": "their.Net", "arguments": {}}, "nasforge-space/1")
    with pytest.raises(FormatError, match=r"unknown layer 'their\.Net'.*modules="):
        Space.from_json(text)

    class Net(nn.Module):
        pass

    Net.__module__, Net.__qualname__ = "their", "Net"
    assert Space.from_json(text, modules=[Net]).value.factory is Net


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "3", "null", '{"format": "x"}', '{"format": "nasforge-architecture/1"}',
        _text(1, "nasforge-space/1"),
        _text({"$unknown": 1}),
        _text({"$layer": "torch.nn.Linear"}),
        _text({"$layer": "torch.nn.Linear", "arguments": [1]}),
        _text({"$tuple": 3}),
        _text({"$size": "x"}),
        _text({"$choice": [["a", 1]], "name": None}),
        _text({"$integer": [1, 2, 1], "log": False, "name": None}),
        _text({"$repeat": 1, "times": 10**12}),
        _text(1, decisions=[1]),
        _text(1, decisions={"a": [1]}),
        _text({"$layer": "search_spaces.blocks.Cell", "arguments": {"edges": {}, "nodes": 10**9}}),
        _text({"$layer": "search_spaces.blocks.Stage", "arguments": {"out_channels": 1, "depth": 10**9}}),
        _text(1).replace('"value": 1', '"value": ' + "[" * 500 + "]" * 500),
        _text(1).replace('"value": 1', '"value": ' + "[" * 50_000 + "]" * 50_000),
    ],
)  # fmt: skip
def test_what_is_no_architecture_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Architecture.from_json(text)


@pytest.mark.parametrize(
    "value",
    [
        {"$choice": [], "name": None},
        {"$choice": [["a", 1], ["a", 2]], "name": None},
        {"$choice": [[["a"], 1]], "name": None},
        {"$choice": [["a", 1]], "name": 3},
        {"$choice": 3, "name": None},
        {"$integer": [3, 2, 1], "log": False, "name": None},
        {"$integer": [3], "log": False, "name": None},
        {"$real": ["a", 2], "log": False, "name": None},
        {"$repeat": 1, "times": "x"},
        {"$repeat": 1, "times": -1},
        {"$repeat": 1, "times": 10**12},
        {
            "$repeat": {"$repeat": 1, "times": 3},
            "times": {"$integer": [1, 10**9, 1], "log": False, "name": None},
        },
        {"$repeat": 1, "times": {"$real": [0, 1], "log": False, "name": None}},
        {"$sequential": 5},
    ],
)
def test_what_is_no_space_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        Space.from_json(_text(value, "nasforge-space/1"))


def test_an_altered_architecture_is_noticed() -> None:
    text = Space({"a": choice(1, 2)}).architecture({"a": 1}).to_json()
    assert Architecture.from_json(text).value == {"a": 1}
    with pytest.raises(FormatError, match="it was altered"):
        Architecture.from_json(text.replace('"value":{"a":1}', '"value":{"a":2}'))


def test_what_is_not_data_cannot_be_written() -> None:
    with pytest.raises(SpaceError, match="JSON holds data only"):
        Space({"a": object()}).to_json()
    with pytest.raises(SpaceError, match="begin with"):
        Space({"$layer": 1}).to_json()


def test_signatures_come_back_and_broken_ones_are_refused() -> None:
    signature = Signature(
        {
            "a": Image(1, 2, 3),
            "b": Sequence(4, 5),
            "c": Tokens(6, 7),
            "d": Vector(8),
            "e": TabularRow(2, (3, 4)),
        },
        {"e": Classification(2), "f": Regression(3), "g": Tagging(4, input="c")},
    )
    data = json.loads(json.dumps(signature.to_dict()))
    assert Signature.from_dict(data) == signature
    assert hash(Signature.from_dict(data)) == hash(signature)
    mirrored = Signature(dict(reversed(signature.inputs.items())), signature.tasks)
    assert (mirrored == signature, hash(mirrored)) == (True, hash(signature))
    for broken in ({}, {"inputs": 3, "tasks": {}}, {**data, "inputs": {"a": {"kind": "Video"}}},
                   {**data, "tasks": {"e": {"kind": "Classification", "classes": 0}}}):  # fmt: skip
        with pytest.raises(FormatError, match="not a signature"):
            Signature.from_dict(broken)
    for wrong in (lambda: Image(1, 0, 3), lambda: Vector(True), lambda: Signature({}, {"e": Regression()}),
                  lambda: Signature({"a": Vector(1)}, {"": Regression()}),
                  lambda: Signature({"a": Regression()}, {"e": Regression()})):  # fmt: skip
        with pytest.raises(NasError):
            wrong()


@pytest.mark.slow
def test_a_class_of_a_script_has_one_name_however_the_script_is_run(tmp_path: Path) -> None:
    script = tmp_path / "own_script.py"
    script.write_text(
        "from torch import nn\n"
        "from search_spaces import layer\n"
        "class Own(nn.Module):\n"
        "    pass\n"
        "print(layer(Own).reference)\n"
    )
    as_main = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    imported = subprocess.run(
        [sys.executable, "-c", "import own_script"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert as_main.stdout == imported.stdout == "own_script.Own\n"
