"""Encoders of the library transformers, made from a description."""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import pytest
import torch

from search_spaces import Classification, Signature, Space, Tagging, Tokens, choice, layer, sequential
from search_spaces.blocks import HuggingFaceEncoder
from search_spaces.blocks.hugging_face import MODEL_TYPES
from search_spaces.errors import BuildError

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
NAMES = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
TEXT = Signature({"text": Tokens(6, 11)}, {"intent": Classification(3), "slots": Tagging(4)})
installed = importlib.util.find_spec("transformers") is not None


def _config(kind: str) -> dict[str, Any]:
    names = NAMES if kind == "distilbert" else {}
    return {"model_type": kind} | {names.get(key, key): value for key, value in SMALL.items()}


@pytest.mark.skipif(installed, reason="the library is there")
def test_without_the_library_the_error_says_how_to_get_it() -> None:
    space = Space(sequential(layer(HuggingFaceEncoder, config=_config("bert"))))
    with pytest.raises(BuildError, match=r"pip install 'nasforge\[transformers\]'"):
        space.architecture({}).build(TEXT)


@pytest.mark.skipif(not installed, reason="needs the library transformers")
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_encoder_builds_learns_and_leaves_padding_out(kind: str) -> None:
    torch.manual_seed(0)
    network = Space(sequential(layer(HuggingFaceEncoder, config=_config(kind)))).architecture({}).build(TEXT)
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 0, 0, 0], [0] * 6])
    answers = network({"text": tokens})
    sum(answer.square().sum() for answer in answers.values()).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert bool(parameter.grad.isfinite().all())
    body = network.body.eval()
    features = body(tokens)
    assert features.shape == (3, 6, 8)
    assert not bool(features[1, 3:].any() or features[2].any())
    torch.testing.assert_close(body(tokens[1:2, :3]), features[1:2, :3])


@pytest.mark.skipif(not installed, reason="needs the library transformers")
def test_its_description_may_have_holes() -> None:
    config = {**_config("bert"), "hidden_size": choice(8, 16)}
    space = Space(sequential(layer(HuggingFaceEncoder, config=config)))
    wide = space.architecture({"0.config.hidden_size": 16})
    assert wide.build(TEXT).head("intent") is not None
    assert wide.cost(TEXT).num_params > space.architecture({"0.config.hidden_size": 8}).cost(TEXT).num_params
    assert Space.from_json(space.to_json()).sample(random.Random(0)).id == space.sample(random.Random(0)).id


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "gpt2"}, "model_type from albert, .*, got 'gpt2'"),
        ({"hidden_size": 8}, "got None"),
        ({"model_type": "bert", "attn_implementation": "someone/kernel"}, "got 'attn_implementation'"),
        ({"model_type": "bert", "_attn_implementation": "someone/kernel"}, "got '_attn_implementation'"),
        ({"model_type": "bert", "auto_map": {"AutoModel": "someone/model"}}, "got 'auto_map'"),
    ],
)
def test_descriptions_that_may_load_something_are_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        HuggingFaceEncoder(11, ((6,),), config)
