"""Exports answer as their network does, in every format, for every space; what fails leaves nothing."""

from __future__ import annotations

import functools
import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.reuse.export import FORMATS
from nas.reuse.export.checking import SIZES, random_inputs
from nas.reuse.found import Found
from search_spaces import (
    Architecture,
    Classification,
    DenseMap,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tagging,
    Tokens,
    Vector,
    layer,
    sequential,
)
from search_spaces.catalog import catalog, load
from search_spaces.errors import ExportError, StoreError, UnknownNameError
from workers.weights import to_safetensors

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
SIGNATURES = {
    "series": Signature({"series": Sequence(12, 3)}, {"kind": Regression(2)}),
    "text": Signature({"text": Tokens(9, 30)}, {"text": Classification(4)}),
    "table": Signature({"row": TabularRow(3, (2, 9))}, {"price": Regression()}),
    "multitask": Signature(
        {"image": Image(1, 8, 8)}, {"digit": Classification(10), "map": DenseMap(3, 8, 8)}
    ),
    "multimodal": Signature(
        {"image": Image(1, 8, 8), "text": Tokens(9, 30)},
        {
            "kind": Classification(4),
            "tags": Tagging(3, labels=("O", "B-a", "I-a"), input="text"),
            "match": Retrieval("image", "text", 8),
        },
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {"channels": 4, "cells": 1},
    "multitask": {"signature": SIGNATURES["multitask"]},
    "multimodal": {"signature": SIGNATURES["multimodal"]},
}
names = pytest.mark.parametrize("name", list(catalog))
LONG_FORMATS = {"mlp": [], "cnn": [pytest.mark.slow], "multimodal": [pytest.mark.slow]}
"""The marks of spaces in formats that take long to write; those of the others are soak tests."""
long_names = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG_FORMATS.get(name, pytest.mark.soak)) for name in catalog]
)


def found(architecture: Architecture, signature: Signature = DIGITS, seed: int = 0) -> Found:
    """A network with weights as a search would have left them: no running statistic is at its start."""
    torch.manual_seed(seed)
    network = architecture.build(signature).train()
    for batch in range(2):
        network(random_inputs(signature, 8, seed=batch))
    for one in (*network.input_standardisations, *network.target_standardisations):
        if one.is_open:
            one.set(torch.full(one.shape, 30.0), torch.full(one.shape, 20.0))
    for name, kind in signature.inputs.items():
        if isinstance(kind, TabularRow):
            one = network.input_standardisation(name)
            one.mean[kind.numbers :], one.scale[kind.numbers :] = 0.0, 1.0
    metrics = {"loss": 0.5, "accuracy": 0.75, "num_params": 1200}
    came = {"search": "mine", "problem": "digits", "epochs": 3, "seconds": 1.5, "seed": 0}
    return Found(architecture, signature, to_safetensors(network), metrics, {"accuracy": 0.5}, came)


@functools.lru_cache
def sample(name: str) -> Found:
    signature = SIGNATURES.get(name, DIGITS)
    space = load(name, **OPTIONS.get(name, {}))
    return found(space.sample(random.Random(5)), signature)


def answers(network: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return network(inputs)


def assert_same(name: str, exported: Any) -> None:
    """What was exported answers batches of several sizes as the network does."""
    one = sample(name)
    network = one.build()
    for size in (*SIZES, 11):
        inputs = random_inputs(one.signature, size, seed=100 + size)
        for task, answer in answers(network, inputs).items():
            torch.testing.assert_close(exported(inputs)[task], answer, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a space's sample in a format, exported once."""
    top = tmp_path_factory.mktemp("exports")

    @functools.cache
    def folder(name: str, format: str) -> Path:
        return sample(name).export(top / f"{name}-{format}", format)

    return folder


@names
def test_weights_come_back_as_they_were(name: str, folders: Any) -> None:
    folder = folders(name, "safetensors")
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "architecture.json",
        "weights.safetensors",
    ]
    assert_same(name, lambda inputs: answers(nas.load(folder).build(), inputs))


@long_names
def test_a_program_of_torch_export_answers_as_the_network(name: str, folders: Any) -> None:
    program = torch.export.load(folders(name, "torch-export") / "model.pt2").module()
    signature = sample(name).signature

    def ask(inputs: dict[str, Tensor]) -> Any:
        if len(signature.inputs) == len(signature.tasks) == 1:
            return {next(iter(signature.tasks)): program(*inputs.values())}
        return program(inputs)

    assert_same(name, ask)


@pytest.mark.slow
@long_names
def test_a_model_of_onnx_answers_as_the_network(name: str, folders: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    session = onnxruntime.InferenceSession(str(folders(name, "onnx") / "model.onnx"))
    signature = sample(name).signature
    assert {one.name for one in session.get_inputs()} == set(signature.inputs)
    assert all(one.shape[0] == "batch" for one in session.get_inputs())
    # one task of a text is named as the text: its output is not
    outputs = ["text.answer" if task in signature.inputs else task for task in signature.tasks]
    assert [one.name for one in session.get_outputs()] == outputs

    def ask(inputs: dict[str, Tensor]) -> Any:
        given = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = session.run(None, given)
        return {task: torch.from_numpy(answer) for task, answer in zip(signature.tasks, found, strict=True)}

    assert_same(name, ask)


CHILD = """
import importlib.util, json, sys
for name in ("search_spaces", "workers", "controllers", "nas", "safetensors", "ray"):
    sys.modules[name] = None
import torch
shapes = {}
for file in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("network", file)
    module = sys.modules["network"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = module.read_tensors(file.replace("network.py", "batch.safetensors"))
    inputs = {name[7:]: tensor for name, tensor in data.items() if name.startswith("inputs/")}
    network = module.load()
    assert not network.training
    with torch.inference_mode():
        answers = network(inputs)
        if len(module.SIGNATURE.inputs) == len(answers) == 1:
            (answer,), (lone,) = answers.values(), inputs.values()
            assert torch.equal(network(lone), answer)
    for task, answer in answers.items():
        torch.testing.assert_close(answer, data["answers/" + task], rtol=1e-5, atol=1e-5)
    shapes[module.ID] = {task: list(answer.shape) for task, answer in answers.items()}
    strangers = {"search_spaces", "nas", "safetensors"} & {n for n, m in sys.modules.items() if m}
    assert not strangers, strangers
print(json.dumps(shapes))
"""


@pytest.mark.slow
@pytest.mark.parametrize("names", [list(LONG_FORMATS), pytest.param(list(catalog), marks=pytest.mark.soak)])
def test_python_files_answer_as_their_networks_in_a_process_without_this_project(
    folders: Any, tmp_path: Path, names: list[str]
) -> None:
    from safetensors.torch import save_file

    files, wanted = [], {}
    for name in names:
        folder, one = folders(name, "python"), sample(name)
        inputs = random_inputs(one.signature, 6, seed=42)
        given = answers(one.build(), inputs)
        tensors = {f"inputs/{key}": tensor for key, tensor in inputs.items()}
        tensors |= {f"answers/{task}": answer.contiguous() for task, answer in given.items()}
        save_file(tensors, folder / "batch.safetensors")
        files.append(str(folder / "network.py"))
        wanted[one.architecture.id] = {task: list(answer.shape) for task, answer in given.items()}
    run = subprocess.run(
        [sys.executable, "-IB", "-c", CHILD, *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == wanted


@pytest.mark.slow
@long_names
def test_a_python_file_says_what_it_is_and_names_nothing_that_it_lacks(name: str, folders: Any) -> None:
    text = (folders(name, "python") / "network.py").read_text()
    one = sample(name)
    about = text.split('"""')[1]
    assert one.architecture.id in about
    assert "digits" in about
    assert "accuracy 0.5" in about
    assert "load()" in about
    assert not any(word in text for word in ("import search_spaces", "from search_spaces", "canonical("))
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E9,I", "-"]
    run = subprocess.run(ruff, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" in run.stderr:
        pytest.skip("ruff is not installed")
    assert run.returncode == 0, run.stdout


@pytest.mark.slow
def test_a_network_of_a_file_still_knows_what_is_missing(tmp_path: Path) -> None:
    one = sample("multimodal")
    module = _imported(one.export(tmp_path / "it", "python") / "network.py")
    inputs = random_inputs(one.signature, 4)
    inputs["image"] = torch.zeros_like(inputs["image"])
    network, gone = one.build(), {"image": torch.tensor([False] * 4)}
    with torch.inference_mode():
        ours, theirs = network(inputs, gone), module.load()(inputs, gone)
    assert not torch.equal(ours["kind"], answers(network, inputs)["kind"])
    for task, answer in ours.items():
        torch.testing.assert_close(theirs[task], answer)


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- modules of the user's own -----------------------------------------------------------------------------

HELPERS = '''
"""What others are made of."""
from math import sqrt
from torch import nn
import torch

SCALE = sqrt(4)
RANK, NAMES = 3, {"tanh": nn.Tanh}
RANK = 2


def activation(name: str, depth: int = RANK):
    return NAMES[name]() if depth else activation(name, depth - 1)


def call(value):  # the name of a function of ours, too
    return value * SCALE


class Base(nn.Module):
    def canonical(self):
        raise NotImplementedError

    def grow(self, value):
        return [call(value) for value in (value,)][0]
'''
LAYERS = '''
from functools import wraps

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import own_helpers
import own_helpers as more
from own_helpers import Base as Root, activation
from search_spaces.blocks import Dense

POOLINGS = ("a", "b")  # ours has one, too
try:
    import a_module_that_is_not_there as fast
except ImportError:
    fast = None


def loud(function):
    @wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class Gated(Root):
    """A layer with a gate."""

    class Parts:
        width = 2

    def __init__(self, in_features: int, out_features: int, kind: str = "tanh"):
        super().__init__()
        self.value = Dense(in_features, out_features, normalisation="batch")
        self.gate = nn.Linear(in_features, out_features)
        self.activation = activation(kind)
        self.register_buffer("count", torch.tensor(Gated.Parts.width))
        assert len(POOLINGS) == 2 and fast is None

    @loud
    def forward(self, input: Tensor) -> Tensor:
        """Text with two\\n\\n\\n  blank lines."""
        call = self.activation(self.gate(input))
        more_of_it = own_helpers.call(call)
        return self.grow(F.relu(self.value(input)) * more_of_it) + more.SCALE * self.count
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of layers of a user, beside one that it imports."""
    (tmp_path / "own_helpers.py").write_text(HELPERS)
    (tmp_path / "own_layers.py").write_text(LAYERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("own_layers")
    for name in ("own_layers", "own_helpers"):
        sys.modules.pop(name, None)


POINTS = Signature({"point": Vector(5)}, {"kind": Classification(3)})


def test_classes_of_the_users_own_are_in_the_file_with_all_that_they_use(
    own: ModuleType, tmp_path: Path
) -> None:
    model = sequential(layer(own.Gated, out_features=7), layer(own.Gated, out_features=4, kind="tanh"))
    one = found(Space({"model": model}).architecture({}), POINTS)
    file = one.export(tmp_path / "it", "python") / "network.py"
    text = file.read_text()
    assert "import own" not in text
    assert "RANK, NAMES = 3" in text
    assert text.index("RANK = 2") > text.index("RANK, NAMES = 3")
    for name in ("own_layers", "own_helpers"):
        sys.modules.pop(name, None)
    inputs = random_inputs(POINTS, 3)
    torch.testing.assert_close(_imported(file).load()(inputs)["kind"], answers(one.build(), inputs)["kind"])


def test_a_class_without_source_or_within_a_function_is_named(tmp_path: Path) -> None:
    class Inner(nn.Identity):
        pass

    within = Space({"model": sequential(layer(nn.Linear, out_features=3), layer(Inner))})
    with pytest.raises(ExportError, match=r"Inner is made within a function: expected it at the top"):
        found(within.architecture({}), POINTS).export(tmp_path / "it", "python")

    nowhere = ModuleType("nowhere")
    sys.modules["nowhere"] = nowhere
    exec("from torch import nn\nclass Spun(nn.Identity): pass", vars(nowhere))
    try:
        spun = Space({"model": layer(nowhere.Spun)})
        with pytest.raises(ExportError, match="the source of module 'nowhere' is not to be had"):
            found(spun.architecture({}), POINTS).export(tmp_path / "it", "python")
    finally:
        del sys.modules["nowhere"]
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys
from importlib.abc import Loader as Root  # a class of a library

import torch
from torch import nn

from nas.reuse import Found
from search_spaces import Classification, Signature, Space, Vector, layer
from workers.weights import to_safetensors


class Own(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        from fractions import Fraction

        self.scale = float(Fraction(1, 2))
        self.linear = nn.Linear(in_features, 2)
        assert Root

    def forward(self, input):
        return self.linear(input) * self.scale


if __name__ == "__main__":
    signature = Signature({"x": Vector(3)}, {"y": Classification(2)})
    architecture = Space({"model": layer(Own)}).architecture({})
    weights = to_safetensors(architecture.build(signature))
    Found(architecture, signature, weights, {}, {}, {}).export(sys.argv[1], "python")
"""


@pytest.mark.slow
def test_a_script_exports_classes_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "it")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert _imported(tmp_path / "it" / "network.py").load()(torch.rand(4, 3)).shape == (4, 2)


class Wavering(nn.Module):
    """Answers otherwise each time."""

    def forward(self, input: Tensor) -> Tensor:
        return input + torch.rand_like(input)


class Counting(nn.Module):
    """Its code fixes the number of examples."""

    def forward(self, input: Tensor) -> Tensor:
        return input + len(input.tolist()) * 0


@pytest.mark.parametrize(
    "format",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in ("python", "onnx"))) for name in FORMATS],
)
def test_an_export_that_answers_otherwise_is_refused_and_leaves_what_was_there(
    format: str, tmp_path: Path
) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
        pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    before = sample("mlp").export(tmp_path / "it")
    kept = {file.name: file.read_bytes() for file in before.iterdir()}
    wavering = found(Space({"model": layer(Wavering)}).architecture({}), POINTS)
    for folder in (tmp_path / "it", tmp_path / "new"):
        with pytest.raises(ExportError, match="does not answer as the network does"):
            wavering.export(folder, format)
    assert {file.name: file.read_bytes() for file in before.iterdir()} == kept
    assert [folder.name for folder in tmp_path.iterdir()] == ["it"]


def test_a_network_that_fixes_the_number_of_examples_is_exported_for_one(tmp_path: Path) -> None:
    one = found(Space({"model": layer(Counting)}).architecture({}), POINTS)
    folder = one.export(tmp_path / "it", "torch-export")
    program = torch.export.load(folder / "model.pt2").module()
    inputs = random_inputs(POINTS, 1)
    torch.testing.assert_close(program(inputs["point"]), answers(one.build(), inputs)["kind"])
    assert "one example at a time" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_formats_of_one_network_share_a_folder_and_those_of_another_one_go(tmp_path: Path) -> None:
    one, other = sample("mlp"), sample("cnn")
    for format in ("python", "torch-export"):
        one.export(tmp_path / "it", format)
    there = {file.name for file in (tmp_path / "it").iterdir()}
    assert {"network.py", "model.pt2", "weights.safetensors"} <= there
    other.export(tmp_path / "it")
    assert {file.name for file in (tmp_path / "it").iterdir()} == {
        "README.md",
        "architecture.json",
        "weights.safetensors",
    }
    assert nas.load(tmp_path / "it").architecture.id == other.architecture.id


def test_a_format_that_there_is_not_and_a_place_that_is_taken_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no format named 'onxx'; did you mean 'onnx'"):
        sample("mlp").export(tmp_path / "it", "onxx")
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot write to"):
            sample("mlp").export(folder, "python")


def test_onnx_says_how_to_get_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportError, match=r"pip install 'nasforge\[onnx\]'"):
        sample("mlp").export(tmp_path / "it", "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("several", [False, True], ids=["lone", "beside a table"])
@pytest.mark.parametrize(
    "format",
    [
        pytest.param(one, marks=pytest.mark.slow if one == "python" else pytest.mark.soak)
        for one in list(FORMATS)[1:]
    ],
)
def test_exports_for_series_of_different_lengths_answer_as_their_network(
    format: str, several: bool, tmp_path: Path
) -> None:
    inputs = {"pen": Sequence(12, 3, padded=True), "row": Vector(4)}
    tasks = {"kind": Classification(4), "tags": Tagging(3, input="pen")}
    signature = Signature(inputs, tasks) if several else Signature(inputs, tasks).only(["pen"], ["kind"])
    space = load("multimodal", signature=signature, links=1) if several else load("series", stages=2)
    one = found(space.sample(random.Random(3)), signature)
    # writing compares the answers to series of random lengths
    folder = one.export(tmp_path / "export", format)
    series = random_inputs(signature, 5, seed=1)["pen"]
    assert 0 < int(series.isnan().all(2).sum()) < 5 * 12
    again = nas.load(folder).build()
    given = {"pen": series, "row": torch.randn(5, 4)} if several else {"pen": series}
    longer = {**given, "pen": torch.cat([series, torch.full((5, 7, 3), torch.nan)], 1)}
    torch.testing.assert_close(answers(again, longer)["kind"], answers(one.build(), given)["kind"])
    card = (folder / "README.md").read_text()
    assert (
        "Series of **pen** have up to 12 steps; after the last one of a shorter series come steps of NaN."
        in card
    )
