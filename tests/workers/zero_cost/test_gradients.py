"""Scores by gradients are what their papers say, and respect what a batch lacks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from untrained import probe, random_problem, row

from search_spaces import Classification, Regression, Signature, TabularRow, Tokens, Vector, layer
from search_spaces.catalog import mlp, multitask, table
from search_spaces.errors import ProblemError, ZeroCostError
from search_spaces.inputs import Input
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.zero_cost import score
from workers.zero_cost.jacov import jacov
from workers.zero_cost.probe import Probe, weights
from workers.zero_cost.saliency import grad_norm, snip
from workers.zero_cost.zico import zico


def gradients_by_hand(probe: Probe, batch: Split) -> list[tuple[Tensor, Tensor]]:
    """The weights and their gradients of the cross entropy on a batch."""
    network = probe.network()
    F.cross_entropy(network(batch.inputs["vector"]), batch.targets["kind"]).backward()
    return [(w.detach(), w.grad) for w in weights(network).values() if w.grad is not None]


def test_grad_norm_and_snip_are_sums_over_the_weights() -> None:
    given = probe(4, layer(nn.ReLU))
    found = gradients_by_hand(given, given.batch())
    assert len(found) == 2
    assert grad_norm(given) == pytest.approx(float(sum(g.norm() for _, g in found)), rel=1e-5)
    assert snip(given) == pytest.approx(float(sum((w * g).abs().sum() for w, g in found)), rel=1e-5)


def test_zico_is_the_inverse_coefficient_of_variation_by_layer() -> None:
    given = probe(4, layer(nn.ReLU))
    first, second = (gradients_by_hand(given, given.batch(number, 2)) for number in (0, 1))
    total = 0.0
    for (_, one), (_, other) in zip(first, second, strict=True):
        both = np.stack([one.numpy(), other.numpy()]).astype(float)
        deviation = both.std(0)
        ratio = np.abs(both).mean(0)[deviation > 0] / deviation[deviation > 0]
        total += math.log(ratio.sum())
    assert zico(given) == pytest.approx(total, rel=1e-4)


def test_jacov_is_about_the_correlations_of_input_gradients() -> None:
    given = probe(16, layer(nn.Tanh))
    network, batch = given.network(), given.whole_batch()
    scale = network.input_standardisation("vector")
    inputs = scale(batch.inputs["vector"]).requires_grad_()
    scale.clear()
    network(inputs).sum().backward()
    assert inputs.grad is not None
    values = np.linalg.eigvalsh(np.corrcoef(inputs.grad.numpy().astype(float))).clip(min=0) + 1e-5
    assert jacov(given) == pytest.approx(-(np.log(values) + 1 / values).sum(), rel=1e-3)


def test_the_loss_of_several_tasks_is_the_sum_and_a_task_without_labels_is_left_out() -> None:
    signature = Signature({"vector": Vector(3)}, {"kind": Classification(2), "size": Regression(1)})
    whole = random_problem(signature)
    architecture = multitask(signature).plain()
    probe = Probe(architecture, whole, 8, 0)
    network, batch = probe.network(), probe.batch()
    answers = network(batch.inputs)
    unit = network.target_standardisation("size")
    size = F.mse_loss((answers["size"] - unit.mean) / unit.scale, unit(batch.targets["size"]))
    kind = F.cross_entropy(answers["kind"], batch.targets["kind"])
    torch.testing.assert_close(probe.loss(network, batch), size + kind)

    labelled = {"size": torch.zeros(len(whole.train), dtype=torch.bool)}
    labelled["size"][:2] = True
    train = Split(whole.train.inputs, whole.train.targets, labelled=labelled)
    problem = Problem("sparse", signature, train, whole.validation, whole.test)
    drawn = ((one, one.batch()) for one in (Probe(architecture, problem, 8, seed) for seed in range(20)))
    sparse, batch = next((one, batch) for one, batch in drawn if not batch.labelled["size"].any())
    loss = sparse.loss(network, batch)
    torch.testing.assert_close(loss, F.cross_entropy(network(batch.inputs)["kind"], batch.targets["kind"]))


def test_jacov_is_of_the_numbers_of_a_row_whatever_their_unit() -> None:
    problem = random_problem(Signature({"row": TabularRow(3, (2, 9))}, {"kind": Classification(2)}))
    scaled = {"row": problem.train.inputs["row"] * torch.tensor([1024.0, 0.5, 1.0, 1.0, 1.0])}
    train = Split(scaled, problem.train.targets)
    other = Problem("scaled", problem.signature, train, problem.validation, problem.test)
    found = [score(table().plain(), one, ["jacov"], batch_size=8)["jacov"] for one in (problem, other)]
    assert math.isfinite(found[0])
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("kind", [Tokens(5, 7), TabularRow(0, (3, 4))], ids=str)
def test_jacov_of_tokens_or_categories_alone_is_refused(kind: Input) -> None:
    signature = Signature({"words": kind}, {"kind": Classification(2)})
    with pytest.raises(ZeroCostError, match=r"jacov: the input 'words' is of tokens.*leave jacov out"):
        score(mlp().plain(), random_problem(signature), ["jacov"])


def test_too_few_examples_for_a_batch_are_refused() -> None:
    few = random_problem(examples=5)  # three of them to train on
    assert len(few.train) == 3
    with pytest.raises(ProblemError, match="expected at least 4 training examples"):
        score(row(4), few, ["zico"])
