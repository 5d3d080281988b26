"""Answers that their tasks keep within bounds are the same in every format of an export, and explained."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.reuse.found import Found
from search_spaces import (
    CountRegression,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Signature,
    Space,
    Vector,
    layer,
)
from search_spaces.nodes import sequential
from workers.weights import to_safetensors

SIGNATURE = Signature(
    {"x": Vector(4)},
    {
        "tags": MultiLabel(2, ("red", "round")),
        "grade": Ordinal(3, ("bad", "fair", "good")),
        "visits": CountRegression(),
        "price": QuantileRegression(),
    },
)


@pytest.fixture
def found() -> Found:
    architecture = Space({"model": sequential(layer(nn.Linear, out_features=6))}).plain()
    torch.manual_seed(0)
    network = architecture.build(SIGNATURE)
    network.target_standardisation("visits").set(torch.zeros(1), torch.full((1,), 30.0))
    network.target_standardisation("price").set(torch.full((1,), 500.0), torch.full((1,), 20.0))
    return Found(architecture, SIGNATURE, to_safetensors(network), {}, {}, {})


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    return {"x": torch.randn(7, 4, generator=torch.Generator().manual_seed(1))}


def same(answers: dict[str, Tensor], found: Found, inputs: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        wanted = found.build()(inputs)
    assert answers.keys() == wanted.keys()
    for task, answer in answers.items():
        torch.testing.assert_close(answer, wanted[task], rtol=1e-5, atol=1e-4)


def test_a_folder_answers_as_the_network_and_its_card_says_what_the_answers_are(
    found: Found, inputs: dict[str, Tensor], tmp_path: Path
) -> None:
    loaded = nas.load(found.export(tmp_path / "best"))
    assert loaded.signature == SIGNATURE
    with torch.inference_mode():
        same(loaded.build()(inputs), found, inputs)
    card = (tmp_path / "best" / "README.md").read_text()
    for line in (
        "The answer to **tags** is a logit for each label",
        "stand for: 0: bad, 1: fair, 2: good.",
        "The answer to **grade** is a logit for each class but the highest",
        "The answer to **visits** is the count that is to be expected.",
        "The answer to **price** is the quantiles 0.1, 0.5, 0.9, in this order.",
    ):
        assert line in card


@pytest.mark.slow
def test_a_program_of_torch_export_answers_as_the_network(
    found: Found, inputs: dict[str, Tensor], tmp_path: Path
) -> None:
    program = torch.export.load(found.export(tmp_path / "best", "torch-export") / "model.pt2").module()
    same(program(inputs), found, inputs)


@pytest.mark.slow
def test_a_model_of_onnx_answers_as_the_network(
    found: Found, inputs: dict[str, Tensor], tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    session = onnxruntime.InferenceSession(str(found.export(tmp_path / "best", "onnx") / "model.onnx"))
    names = [output.name for output in session.get_outputs()]
    answers = session.run(None, {"x": inputs["x"].numpy()})
    same(dict(zip(names, map(torch.from_numpy, answers), strict=True)), found, inputs)


@pytest.mark.slow
def test_a_python_file_answers_as_the_network(
    found: Found, inputs: dict[str, Tensor], tmp_path: Path
) -> None:
    file = found.export(tmp_path / "best", "python") / "network.py"
    spec = importlib.util.spec_from_file_location("network_of_tasks", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.inference_mode():
        same(module.load()(inputs), found, inputs)
    assert module.SIGNATURE.tasks["grade"].labels == ("bad", "fair", "good")
