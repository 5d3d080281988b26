"""What earlier versions made is what it was: identities, costs and weights of networks, spaces, exports.

`tests/data/before` was written by the code as it was before its files were moved into rooms.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import nas
from search_spaces import Architecture, Classification, Image, Regression, Sequence, Signature, Space, Tokens
from search_spaces.catalog import load

BEFORE = Path(__file__).parent / "data" / "before"
EXPORTS = BEFORE / "exports"
SAMPLES: dict[str, list[dict[str, Any]]] = json.loads((BEFORE / "identities.json").read_text())

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
TASKS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10), "angle": Regression(2)})
MODALITIES = Signature({"image": Image(1, 8, 8), "text": Tokens(9, 30)}, {"kind": Classification(10)})
SIGNATURES = {
    "series": Signature({"series": Sequence(12, 3)}, {"kind": Classification(10)}),
    "text": Signature({"text": Tokens(9, 30)}, {"kind": Classification(10)}),
    "multitask": TASKS,
    "multimodal": MODALITIES,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {"channels": 4, "cells": 1},
    "multitask": {"signature": TASKS},
    "multimodal": {"signature": MODALITIES},
}

names = pytest.mark.parametrize("name", list(SAMPLES))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stored(name: str) -> Space:
    return Space.from_json((BEFORE / f"space-{name}.json").read_text())


@names
def test_a_space_that_was_stored_is_read_as_it_was_and_its_plain_network_is_still_the_plain_one(
    name: str,
) -> None:
    stored = _stored(name)
    assert stored.to_json() == (BEFORE / f"space-{name}.json").read_text()
    assert load(name, **OPTIONS.get(name, {})).plain().id == stored.plain().id


@names
def test_samples_have_the_identities_costs_and_weights_that_they_had(name: str) -> None:
    space, signature = _stored(name), SIGNATURES.get(name, DIGITS)
    rng = random.Random(7)
    for was in SAMPLES[name]:
        architecture = space.sample(rng)
        assert dict(architecture.decisions) == was["decisions"]
        assert architecture.id == was["id"]
        assert _hash(architecture.to_json()) == was["json_sha"]
        cost = architecture.cost(signature)
        assert {key: was[key] for key in cost.to_dict()} == cost.to_dict()
        torch.manual_seed(3)
        network = architecture.build(signature).eval()
        assert _hash("\n".join(network.state_dict())) == was["keys_sha"]
        torch.manual_seed(4)
        with torch.no_grad():
            answers = network(_inputs(signature))
        assert {task: answer.double().sum().item() for task, answer in answers.items()} == pytest.approx(
            was["sum"], rel=1e-4, abs=1e-4
        )


def _inputs(signature: Signature, batch: int = 3) -> dict[str, torch.Tensor]:
    inputs = {}
    for name, kind in signature.inputs.items():
        if isinstance(kind, Tokens):
            lengths = torch.arange(batch).unsqueeze(1) * kind.length // (batch - 1)
            tokens = torch.randint(1, kind.vocabulary, (batch, kind.length))
            inputs[name] = tokens * (torch.arange(kind.length) < lengths)
        else:
            inputs[name] = torch.randn(batch, *kind.shape)
    return inputs


@pytest.fixture(scope="module")
def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Inputs, and what the network answered when it was exported."""
    tensors = load_file(EXPORTS / "batch.safetensors")
    return tuple(  # type: ignore[return-value]
        {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
        for part in ("inputs/", "answers/")
    )


Batch = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]


def _check(answers: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert answers.keys() == wanted.keys()
    for task, answer in answers.items():
        torch.testing.assert_close(answer, wanted[task], rtol=0, atol=1e-5)


@pytest.mark.parametrize("format", ["safetensors", "python", "torch-export", "onnx"])
def test_every_folder_that_was_exported_loads_and_answers(format: str, batch: Batch) -> None:
    found = nas.load(EXPORTS / format)
    assert (
        Architecture.from_json(json.dumps(json.loads(found.architecture.to_json()))).id
        == found.architecture.id
    )
    with torch.inference_mode():
        _check(found.build()(batch[0]), batch[1])


def test_a_python_file_that_was_exported_answers(batch: Batch) -> None:
    spec = importlib.util.spec_from_file_location("network_of_before", EXPORTS / "python" / "network.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.inference_mode():
        _check(module.load()(batch[0]), batch[1])


def test_a_program_that_was_exported_answers(batch: Batch) -> None:
    program = torch.export.load(EXPORTS / "torch-export" / "model.pt2").module()
    with torch.inference_mode():
        answers = program(*batch[0].values()) if len(batch[0]) == len(batch[1]) == 1 else program(batch[0])
        _check(
            answers if isinstance(answers, dict) else dict(zip(batch[1], [answers], strict=True)), batch[1]
        )


def test_an_onnx_file_that_was_exported_answers(batch: Batch) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(EXPORTS / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    given = {one.name: batch[0][one.name].numpy() for one in session.get_inputs()}
    tasks = [output.name for output in session.get_outputs()]
    answers = dict(zip(tasks, map(torch.from_numpy, session.run(None, given)), strict=True))
    wanted = {
        name: batch[1][task]
        for name, task in zip(
            tasks,
            json.loads((EXPORTS / "onnx" / "architecture.json").read_text())["signature"]["tasks"],
            strict=True,
        )
    }
    _check(answers, wanted)
