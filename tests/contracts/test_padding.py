"""The law of padding: what a network answers to a series does not depend on how much padding follows it."""

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from search_spaces import (
    Architecture,
    Classification,
    Generation,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Space,
    Tagging,
    Tokens,
)
from search_spaces.blocks import CrfHead
from search_spaces.building.network import Network
from search_spaces.catalog import load
from search_spaces.inputs import Input
from search_spaces.nodes import layer
from search_spaces.testing import check_answers, check_cost, check_learning, random_inputs, sampled
from workers.problems import Problem
from workers.recipe import Recipe
from workers.training.training import train

REAL, FEATURES = 20, 3


def _with(length: int, padded: bool = True, *, several: bool = False) -> Signature:
    """Tasks of every kind that a series can serve, of series up to this length."""
    inputs: dict[str, Input] = {"pen": Sequence(length, FEATURES, padded)}
    tasks: dict[str, Any] = {"kind": Classification(4), "angle": Regression(2), "text": Generation(3, 7)}
    if several:
        inputs |= {"image": Image(1, 8, 8), "words": Tokens(9, 30)}
        tasks["pair"] = Retrieval("pen", "image", 4)
    return Signature(inputs, {**tasks, "tags": Tagging(5, input="pen")})


def _padded(series: Tensor, length: int) -> Tensor:
    missing = torch.full((len(series), length - series.shape[1], series.shape[2]), torch.nan)
    return torch.cat([series, missing], 1)


def _standardised(network: Network) -> Network:
    """The network as after a training: padding must not become minus mean over scale."""
    network.input_standardisation("pen").set(torch.tensor([3.0, -1.0, 0.5]), torch.tensor([2.0, 0.1, 1.0]))
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.linspace(-1, 1, len(buffer)))
    return network.eval()


def _answers(
    architecture: Architecture, signature: Signature, weights: Network, inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """What a network of these weights answers that was built for series of another length."""
    network = architecture.build(signature)
    network.load_state_dict(weights.state_dict())
    with torch.no_grad():
        answers: dict[str, Tensor] = network.eval()(inputs)
    return answers


def _check(architecture: Architecture, *, several: bool = False, lengths: tuple[int, ...] = (24,)) -> None:
    """Asserts that 20 steps padded to 200 are answered as 20 steps alone, and padded to fewer."""
    torch.manual_seed(0)
    network = _standardised(architecture.build(_with(200, several=several)))
    series = torch.randn(3, REAL, FEATURES)
    others = {"image": torch.randn(3, 1, 8, 8), "words": torch.randint(0, 30, (3, 9))} if several else {}
    with torch.no_grad():
        answers = network({"pen": _padded(series, 200), **others})
    for length in (REAL, *lengths):
        signature = _with(length, padded=length > REAL, several=several)
        alone = _answers(architecture, signature, network, {"pen": _padded(series, length), **others})
        for task, answer in answers.items():
            wanted = alone[task]
            if task == "tags":
                answer, wanted = answer[:, :REAL], wanted[:, :REAL]
            torch.testing.assert_close({task: answer}, {task: wanted}, rtol=1e-5, atol=1e-5)


SAMPLES = [2, pytest.param(20, marks=pytest.mark.slow)]


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("crf", [False, True], ids=["softmax", "crf"])
def test_series_are_answered_as_if_there_were_no_padding(samples: int, crf: bool) -> None:
    model = load("series").value
    space = Space({"model": model, "heads": {"tags": layer(CrfHead)}}) if crf else Space({"model": model})
    for architecture in [space.plain(), *sampled(space, samples)]:
        _check(architecture)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("space", ["multimodal", "multitask"])
def test_series_beside_other_inputs_and_tasks_are_answered_as_if_there_were_no_padding(
    space: str, samples: int
) -> None:
    several = space == "multimodal"
    made = load(space, signature=_with(200, several=several))
    for architecture in [made.plain(), *sampled(made, samples)]:
        _check(architecture, several=several)


@pytest.mark.parametrize("real", [1, 2, 3, 7, 19])
def test_series_of_any_length_are_answered_as_if_there_were_no_padding(real: int) -> None:
    signature = Signature({"pen": Sequence(33, 2, padded=True)}, {"kind": Classification(4)})
    series = torch.randn(2, real, 2)
    for architecture in sampled(load("series"), 3, seed=real):
        network = architecture.build(signature).eval()
        alone = architecture.build(Signature({"pen": Sequence(real, 2)}, signature.tasks)).eval()
        alone.load_state_dict(network.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(network(_padded(series, 33)), alone(series), rtol=1e-5, atol=1e-5)


def test_the_mlp_takes_padding_for_steps_of_the_mean() -> None:
    series, space = torch.randn(3, REAL, FEATURES), load("mlp")
    tasks = {"kind": Classification(4)}
    for seed in range(4):
        architecture = space.sample(random.Random(seed))
        padded = architecture.build(Signature({"pen": Sequence(40, FEATURES, padded=True)}, tasks))
        plain = architecture.build(Signature({"pen": Sequence(40, FEATURES)}, tasks))
        _standardised(padded)
        plain.load_state_dict(padded.state_dict())
        mean = padded.input_standardisation("pen").mean
        assert mean is not None
        filled = torch.cat([series, mean.expand(3, 40 - REAL, -1)], 1)
        with torch.no_grad():
            torch.testing.assert_close(padded(_padded(series, 40)), plain.eval()(filled))


@pytest.mark.parametrize("space", ["series", "mlp", "multimodal"])
def test_every_parameter_learns_from_padded_series_of_which_one_is_empty(space: str) -> None:
    signature = Signature({"pen": Sequence(12, 3, padded=True)}, {"kind": Classification(4)})
    made = load(space, **({"signature": signature} if space == "multimodal" else {}))
    for architecture in sampled(made, 4):
        network = architecture.build(signature)
        inputs = random_inputs(signature, 5)
        assert inputs["pen"][0].isnan().all()
        assert not inputs["pen"][-1].isnan().any()
        check_learning(network, inputs, architecture)
        check_answers(network, inputs, architecture)
        check_cost(architecture, network)


@pytest.mark.parametrize("augmentation", ["off", "shift", "cutout"])
def test_networks_without_batch_normalisation_train_alike_however_long_series_are_padded(
    augmentation: str,
) -> None:
    space = load("series", normalisation="layer", dropouts=(0.0,), widths=(8,), stages=2)
    generator = torch.Generator().manual_seed(0)
    series = [torch.randn(3 + i % 10, 2, generator=generator) * 5 + 9 for i in range(32)]
    losses = []
    for length in (12, 40):
        signature = Signature({"pen": Sequence(length, 2, padded=True)}, {"kind": Classification(2)})
        examples = (series, torch.arange(32) % 2)
        problem = Problem.from_tensors("pen", examples, examples, None, signature=signature)
        torch.manual_seed(0)
        network = space.sample(random.Random(2)).build(signature)
        recipe = Recipe(epochs=2, batch_size=8, augmentation=augmentation)
        losses.append([report.metrics["loss"] for report in train(network, problem, recipe, seed=0)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][0] != losses[0][1]
