"""REINFORCE: likelihoods, gradients, advantages, and what its parameters mean."""

import math
import random
from typing import Any

import numpy as np
import pytest
import torch

from controllers import Outcome, Proposal, Reinforce, at_most, maximize, minimize
from controllers.records import FAILED
from controllers.reinforce.advantage import Rank, Raw, Scaled
from controllers.reinforce.encoding import HoleTable, Token
from controllers.reinforce.learner import Learner
from search_spaces import Space, choice, integer, real
from search_spaces.errors import ControllerError

SPACE = Space(
    {
        "op": choice(p={"k": choice(1, 2, 3)}, q={"r": real(0.1, 10.0, log=True)}),
        "n": integer(1, 500),
        "m": integer(1, 5),
        "flag": choice(True, 2, "1", None),
        "fixed": choice("only"),
    }
)


def learner(recurrent: bool, sizes: list[int], seed: int = 0, noise: float = 0.0) -> Learner:
    made = Learner(
        sizes, recurrent=recurrent, hidden=16, embedding=8, learning_rate=0.01, entropy=0.0, seed=seed
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.add_(noise * torch.randn(parameter.shape, generator=generator))
    return made


def ppo(sizes: list[int], passes: int = 4, clip: float = 0.2) -> Learner:
    return Learner(
        sizes,
        recurrent=False,
        hidden=1,
        embedding=1,
        learning_rate=0.01,
        entropy=0.0,
        seed=0,
        clip=clip,
        passes=passes,
    )


def feasible(score: float) -> Outcome:
    return Outcome(feasible=True, failed=False, scores=(score,))


def test_decisions_survive_the_way_to_numbers_and_back() -> None:
    table = HoleTable(SPACE)
    assert "fixed" not in table.paths
    rng = random.Random(0)
    for _ in range(100):
        architecture = SPACE.sample(rng)
        tokens = table.encode(architecture)
        assert len(tokens) == sum(path in table.paths for path in architecture.decisions)
        for token, (path, value) in zip(tokens, architecture.decisions.items(), strict=False):
            assert table.paths[path] == token.hole
            again = table.value(token)
            assert type(again) is type(value)
            assert again == pytest.approx(value) if isinstance(value, float) else again == value


@pytest.mark.parametrize("recurrent", [True, False])
def test_decisions_are_drawn_with_the_probability_that_is_learnt_from(recurrent: bool) -> None:
    made = learner(recurrent, [3, 2], noise=0.7)
    every = [[Token(0, i, 0.0), Token(1, j, 0.0)] for i in range(3) for j in range(2)]
    with torch.no_grad():
        likelihood, _ = made.log_likelihood(every)
    expected = likelihood.exp()
    assert expected.sum().item() == pytest.approx(1.0, abs=1e-5)
    rng = random.Random(0)
    counts = torch.zeros(6)
    for _ in range(6000):
        rollout = made.rollout()
        counts[2 * rollout.decide(0, rng).option + rollout.decide(1, rng).option] += 1
    assert (counts / 6000 - expected).abs().max() < 0.025
    assert expected.max() > 0.25  # not uniform, or this would show little


def test_the_density_of_a_continuous_decision_integrates_to_one_and_is_what_is_drawn() -> None:
    made = learner(True, [4, 0], noise=1.0)
    grid = (np.arange(4000) + 0.5) / 4000
    with torch.no_grad():
        option = int(made.log_likelihood([[Token(0, i, 0.0)] for i in range(4)])[0].argmax())
        before, first_entropy = made.log_likelihood([[Token(0, option, 0.0)]])
        likelihood, entropy = made.log_likelihood(
            [[Token(0, option, 0.0), Token(1, 0, float(u))] for u in grid]
        )
    log_density = likelihood - before
    density = log_density.exp().numpy()
    assert density.mean() == pytest.approx(1.0, abs=1e-3)
    entropy_here = float(entropy[0] - first_entropy[0])
    assert entropy_here == pytest.approx(float(-(density * log_density.numpy()).mean()), abs=1e-3)
    rng = random.Random(0)
    drawn = []
    while len(drawn) < 2000:
        rollout = made.rollout()
        if rollout.decide(0, rng).option == option:
            drawn.append(rollout.decide(1, rng).unit)
    assert np.mean(drawn) == pytest.approx(float((density * grid).mean()), abs=0.02)


@pytest.mark.parametrize("recurrent", [True, False])
def test_a_policy_starts_uniform_and_nearly_so_for_the_continuous(recurrent: bool) -> None:
    made = learner(recurrent, [5, 0, 3])
    with torch.no_grad():
        likelihood, entropy = made.log_likelihood(
            [[Token(0, 2, 0.0)], [Token(0, 1, 0.0), Token(2, 1, 0.0)], [Token(1, 0, 0.0)], [Token(1, 0, 0.5)]]
        )
    assert likelihood[:2].tolist() == pytest.approx([-math.log(5), -math.log(15)], abs=1e-5)
    assert entropy[0].item() == pytest.approx(math.log(5), abs=1e-5)
    assert abs(likelihood[2].item()) < 0.1
    assert abs(likelihood[3].item()) < 0.1


@pytest.mark.parametrize("recurrent", [True, False])
def test_an_update_makes_what_did_well_likelier_and_what_did_badly_less_likely(recurrent: bool) -> None:
    made = learner(recurrent, [4, 0, 4])
    good = [Token(0, 1, 0.0), Token(1, 0, 0.9), Token(2, 3, 0.0)]
    bad = [Token(0, 2, 0.0), Token(1, 0, 0.1)]
    before = made.log_likelihood([good, bad])[0]
    for _ in range(20):
        made.update([(good, 1.0), (bad, -1.0)])
    after = made.log_likelihood([good, bad])[0]
    assert after[0] > before[0] + 0.2
    assert after[1] < before[1] - 0.2


def test_the_published_setting_is_plain_reinforce_with_adam() -> None:
    """Six categoricals, one sample a step, Adam at 0.01, moving average 0.9 that has seen the reward."""
    space = Space([choice(*"abcde") for _ in range(6)])
    controller = Reinforce(
        space,
        maximize("acc"),
        policy="independent",
        learning_rate=0.01,
        batch=1,
        advantage="raw",
        baseline=0.9,
        entropy=0.0,
        repeats=True,
        seed=0,
    )
    logits = torch.zeros(6, 5, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.01)
    total, weight, rng = 0.0, 0.0, random.Random(3)
    for number in range(25):
        architecture = space.sample(rng)
        reward = 90.0 + 5.0 * rng.random()
        controller.tell(Proposal(number, architecture), {"acc": reward})
        total, weight = 0.9 * total + 0.1 * reward, 0.9 * weight + 0.1
        chosen = torch.tensor(["abcde".index(op) for op in architecture.value])
        log_p = torch.log_softmax(logits, dim=1).gather(1, chosen[:, None]).sum()
        optimizer.zero_grad()
        (-log_p * (reward - total / weight)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learnt = controller._learner.network.table.detach().reshape(6, 5)  # type: ignore[union-attr,operator]
    assert torch.allclose(learnt, logits.detach(), atol=1e-5)
    assert learnt.abs().max() > 0.05


def test_the_first_step_of_ppo_is_the_one_of_reinforce() -> None:
    """Where the probabilities have not changed yet, the gradient of the ratio is that of its logarithm."""
    results = [([Token(0, 1, 0.0), Token(1, 0, 0.7)], 1.5), ([Token(0, 2, 0.0)], -0.5)]
    tables = []
    for made in (ppo([4, 0], passes=1), learner(False, [4, 0])):
        made.update(results)
        tables.append(made.network.table.detach().clone())  # type: ignore[union-attr,operator]
    assert torch.allclose(tables[0], tables[1], atol=1e-7)
    assert tables[0].abs().max() > 0.005


def test_ppo_ascends_the_clipped_objective() -> None:
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.01)
    made = ppo([3], passes=5, clip=0.02)
    made.update([([Token(0, 0, 0.0)], 2.0), ([Token(0, 1, 0.0)], -1.0)])
    weights, chosen = torch.tensor([2.0, -1.0]), torch.tensor([0, 1])
    for _ in range(5):
        ratio = torch.softmax(logits, dim=0)[chosen] * 3.0
        gain = torch.minimum(ratio * weights, ratio.clamp(0.98, 1.02) * weights)
        optimizer.zero_grad()
        (-gain.mean()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learnt = made.network.table.detach()  # type: ignore[union-attr,operator]
    assert torch.allclose(learnt, logits.detach(), atol=1e-6)


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_an_update_of_ppo_does_not_leave_the_policy_far_behind(weight: float) -> None:
    made = ppo([3, 3], passes=60)
    tokens = [Token(0, 0, 0.0), Token(1, 2, 0.0)]
    before = made.log_likelihood([[token] for token in tokens])[0]
    made.update([(tokens, weight)])
    change = (made.log_likelihood([[token] for token in tokens])[0] - before).exp().tolist()
    # momentum carries it a little beyond the clip, where there is no gradient any more
    assert change == pytest.approx([1.0 + 0.25 * weight] * 2, abs=0.15)
    plain = learner(False, [3, 3])
    for _ in range(60):
        plain.update([(tokens, weight)])
    far = (plain.log_likelihood([[token] for token in tokens])[0] - before).exp().tolist()
    assert abs(far[0] - 1.0) > 0.45


@pytest.mark.parametrize("advantage", ["rank", "scaled"])
def test_the_unit_of_the_metric_does_not_count(advantage: Any) -> None:
    runs = []
    for unit in (1.0, 1024.0, 2.0**-20):
        controller = Reinforce(SPACE, maximize("x"), advantage=advantage, seed=0)
        rng = random.Random(0)
        asked = []
        for _ in range(60):
            proposal = controller.ask()
            asked.append(proposal.architecture.id)
            controller.tell(proposal, {"x": unit * rng.random()})
        runs.append(asked)
    assert runs[0] == runs[1] == runs[2]


def test_raw_advantage_is_the_distance_from_the_moving_average() -> None:
    weigh = Raw(0.5)
    assert weigh(feasible(4.0)) == 0.0
    assert weigh(feasible(7.0)) == pytest.approx(7.0 - (0.25 * 4.0 + 0.5 * 7.0) / 0.75)
    assert weigh(FAILED) < 0.0


def test_scaled_advantages_have_unit_spread_and_order_failures_last() -> None:
    weigh = Scaled(0.9)
    rng = random.Random(0)
    weights = [weigh(feasible(rng.gauss(500.0, 40.0))) for _ in range(500)][100:]
    assert 0.7 < np.std(weights) < 1.3
    assert abs(np.mean(weights)) < 0.1
    near = Outcome(feasible=False, failed=False, violation=0.1)
    assert weigh(near) < min(weights) / 2


@pytest.mark.parametrize("objectives", [1, 2])
def test_rank_advantages_are_places_among_the_latest(objectives: int) -> None:
    weigh = Rank(4, objectives)

    def result(score: float) -> Outcome:
        return Outcome(feasible=True, failed=False, scores=(score,) * objectives)

    assert weigh(result(1.0)) == 0.0
    assert weigh(result(2.0)) > 0.0
    assert weigh(FAILED) < 0.0
    best = weigh(result(3.0))
    assert best == pytest.approx((3.5 / 4 - 0.5) * math.sqrt(12))
    for _ in range(4):
        weigh(result(9.0))
    assert weigh(result(3.5)) < 0.0  # what it was better than has been forgotten


def test_no_infeasible_or_failed_trial_is_rewarded_once_feasible_ones_are_known() -> None:
    for weigh in (Rank(64, 1), Scaled(0.9)):
        rng = random.Random(0)
        for _ in range(40):
            weigh(feasible(rng.random()))
        assert weigh(Outcome(feasible=False, failed=False, violation=0.01)) < -1.0
        assert weigh(FAILED) < -1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "gru"}, "policy"),
        ({"advantage": "huge"}, "advantage"),
        ({"batch": 0}, "batch"),
        ({"window": 1}, "window"),
        ({"hidden": 0}, "hidden"),
        ({"baseline": 1.0}, "baseline"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"entropy": -1.0}, "entropy"),
        ({"update": "trpo"}, "update"),
        ({"clip": 0.0}, "clip"),
        ({"passes": 0}, "passes"),
    ],
)
def test_parameters_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ControllerError, match=message):
        Reinforce(SPACE, maximize("x"), **options)


def test_several_objectives_need_ranks() -> None:
    with pytest.raises(ControllerError, match="rank"):
        Reinforce(SPACE, [maximize("x"), minimize("y")], advantage="raw")


def test_the_number_of_torch_threads_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    controller = Reinforce(SPACE, maximize("x"), limits=at_most("y", 1.0), batch=1)
    controller.tell(controller.ask(), {"x": 1.0, "y": 0.5})
    assert torch.get_num_threads() == before


def test_no_gradients_are_needed_from_the_caller() -> None:
    with torch.no_grad():
        controller = Reinforce(SPACE, maximize("x"), batch=1)
        controller.tell(controller.ask(), {"x": 1.0})
        controller.tell(controller.ask(), {"x": 2.0})
