"""Averaged weights: what they are averages of, and that they are what is scored and kept."""

import dataclasses
from itertools import pairwise

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from search_spaces import Architecture, Space, layer, sequential
from workers.acceleration import Acceleration
from workers.job import Finished, Job
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.testing.jobs import answers, points
from workers.training.averaging import AveragedWeights, recalibrate
from workers.training.criterion import adapt
from workers.training.metrics import evaluate
from workers.training.training import train
from workers.trial import trial


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 3))


def architecture(**recipe: object) -> Architecture:
    model = sequential(
        layer(nn.Linear, out_features=8), layer(nn.BatchNorm1d), layer(nn.ReLU), layer(nn.Dropout, p=0.3)
    )
    return Space({"model": model, "recipe": {"epochs": 6, "batch_size": 16, **recipe}}).architecture({})


def drift(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn_like(parameter)


def test_they_are_the_averages_of_torch_with_decays_that_begin_small() -> None:
    module = network()
    averages = AveragedWeights(module, 0.4)
    decays = iter([2 / 11, 3 / 12, 4 / 13, 5 / 14, 0.4, 0.4])  # of 1 to 6 steps

    def average(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        return torch.lerp(old, new, 1 - decay)

    reference = AveragedModel(module, avg_fn=average)
    reference.update_parameters(module)  # the first call copies
    for step, decay in enumerate(decays, 1):  # noqa: B007 - read by `average`
        drift(module)
        averages.update(step)
        reference.update_parameters(module)
    held = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    averages.exchange()
    for name, parameter in reference.module.named_parameters():
        torch.testing.assert_close(module.get_parameter(name), parameter)
        assert not torch.equal(parameter, held[name])
    averages.exchange()
    assert all(torch.equal(module.get_parameter(name), tensor) for name, tensor in held.items())


def test_parameters_of_any_type_are_averaged_and_frozen_ones_stay() -> None:
    kinds = [torch.float32, torch.complex64, torch.bfloat16, torch.float64, torch.int64]
    module = nn.ParameterList(
        nn.Parameter(torch.ones(3, dtype=kind), requires_grad=kind.is_floating_point or kind.is_complex)
        for kind in kinds
    )
    averages = AveragedWeights(module, 0.5)
    with torch.no_grad():
        for parameter in module:
            parameter += 2
    averages.update(20)
    averages.exchange()
    assert [complex(parameter[0].item()) for parameter in module] == [2, 2, 2, 2, 3]


def test_statistics_of_batch_normalisation_are_those_that_torch_measures() -> None:
    module, reference = network(), network()
    drift(module), drift(reference)
    reference.load_state_dict(module.state_dict())
    inputs = torch.randn(200, 5)
    train = Split({"point": inputs}, {"kind": torch.zeros(200, dtype=torch.int64)})
    batches: list[Tensor] = []

    def ask(batch: Split) -> dict[str, Tensor]:
        batches.append(batch.inputs["point"])
        return {"kind": module(batch.inputs["point"])}

    before = torch.get_rng_state()
    recalibrate(module, ask, train, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before), "dropout is off"
    assert not any(part.training for part in module.modules())
    seen = torch.cat(batches)
    assert len(seen) == len(seen.unique(dim=0)) == 200
    assert min(map(len, batches)) > 1
    update_bn(batches, reference)
    ours, theirs = module[1], reference[1]
    assert (ours.momentum, theirs.momentum) == (0.1, 0.1)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_what_is_scored_is_averaged_and_what_is_learned_with_is_not() -> None:
    problem, recipe = points(), Recipe(epochs=4, batch_size=16, schedule="wsd")
    plain, averaged = network(), network()
    learned = list(train(plain, problem, recipe, seed=0))
    forward = adapt(averaged, problem.signature)
    weights = []
    for report, one in zip(
        train(averaged, problem, recipe.model_copy(update={"ema_decay": 0.9}), seed=0), learned, strict=True
    ):
        assert report.train_loss == one.train_loss
        assert report.metrics != one.metrics
        scores = evaluate(forward, averaged, problem.validation, problem.signature.tasks)
        assert scores == report.metrics
        weights.append(averaged[0].weight.detach().clone())
    assert all(not torch.equal(one, other) for one, other in pairwise(weights))


def test_the_weights_that_are_kept_are_those_that_were_scored() -> None:
    *_, end = trial.run(Job(0, architecture(ema_decay=0.9), seed=1, round_trip=True), points())
    assert isinstance(end, Finished), end
    made = architecture().build(points().signature)
    made.load_state_dict(safetensors.torch.load(end.weights.read()))
    data = points()
    scores = evaluate(adapt(made, data.signature), made, data.validation, data.signature.tasks)
    assert scores == end.metrics


@pytest.mark.parametrize("until", [1, 3, 5])
def test_a_trial_with_averages_goes_on_as_if_it_had_not_paused(until: int) -> None:
    job = Job(0, architecture(schedule="wsd", ema_decay=0.9), seed=2)
    acceleration = Acceleration(deterministic=True)
    whole = list(trial.run(job, points(), acceleration=acceleration))
    *before, paused = trial.run(dataclasses.replace(job, until=until), points(), acceleration=acceleration)
    assert isinstance(paused, Finished)
    rest = list(
        trial.run(dataclasses.replace(job, checkpoint=paused.checkpoint), points(), acceleration=acceleration)
    )
    assert answers([*before, *rest]) == answers(whole)
