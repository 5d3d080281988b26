"""What networks are worth by their scores, held against networks whose worth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, t

from nas.estimates import DISCORDANT, LASTING, Estimate, Estimator, ScoreModel, estimator, fitted

EXAMPLES = 1000
MODEL = ScoreModel(center=0.8, total=0.0002, noise=0.0001, freedom=50, networks=43, share=True)


class Searches:
    """Searches over networks of known accuracies, a tail of bad ones among them.

    Args:
        networks: the networks of each search.
        again: how often each of the three best is trained again.
        known: whether the number of examples is known.
    """

    def __init__(self, networks: int, again: int = 0, known: bool = True) -> None:
        self.networks, self.again, self.known = networks, again, known
        self.rng = np.random.default_rng(networks + again)

    def _draw(self, worth: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns what trainings of networks are worth, and their scores."""
        lasting = 1 - DISCORDANT if self.known else LASTING
        noise = math.sqrt(0.9 * 0.1 / EXAMPLES)
        trained = worth + self.rng.normal(0, noise * math.sqrt(lasting), worth.shape)
        return trained, trained + self.rng.normal(0, noise * math.sqrt(1 - lasting), worth.shape)

    def one(self) -> tuple[list[float], list[Estimate], list[float]]:
        """Returns what the better half of a search's trainings are worth, what is estimated, their scores."""
        noise = math.sqrt(0.9 * 0.1 / EXAMPLES)
        networks = self.rng.normal(0.9, noise, self.networks)
        bad = self.rng.random(self.networks) < 0.2
        networks[bad] -= self.rng.exponential(10 * noise, bad.sum())
        worth, scores = self._draw(networks)
        order = np.argsort(-scores, kind="stable")
        worth, scores, networks = worth[order], scores[order], networks[order]
        again = {
            n: self._draw(np.repeat(networks[n], self.again))[1].tolist() for n in range(3) if self.again
        }
        made = estimator(
            scores.tolist(),
            self.networks,
            {n: [float(scores[n]), *others] for n, others in again.items()},
            frozenset(),
            EXAMPLES if self.known else None,
        )
        assert made is not None
        half = range(self.networks // 2)
        estimates = [made.of(n, float(scores[n])) for n in half]
        return worth[: len(half)].tolist(), estimates, scores[: len(half)].tolist()


@pytest.mark.parametrize(("networks", "again", "known"), [(30, 0, True), (100, 0, True), (60, 4, False)])
def test_the_best_is_not_overrated_and_intervals_hold_what_trainings_are_worth(
    networks: int, again: int, known: bool
) -> None:
    searches = Searches(networks, again, known)
    held: list[bool] = []
    excess: list[float] = []
    raw: list[float] = []
    for _ in range(400):
        worth, estimates, scores = searches.one()
        held += [e.low <= w <= e.high for w, e in zip(worth, estimates, strict=True)]
        best = max(range(len(estimates)), key=lambda n: estimates[n].value)
        excess.append(estimates[best].value - worth[best])
        raw.append(scores[0] - worth[0])
    assert 0.93 <= np.mean(held) <= 0.995
    assert np.mean(raw) > 0.002, "by its score alone it is"
    assert abs(np.mean(excess)) < 0.3 * np.mean(raw)


def test_more_trainings_move_a_network_less_and_narrow_its_interval() -> None:
    once, thrice = MODEL.estimate([0.83]), MODEL.estimate([0.83, 0.83, 0.83])
    assert 0.8 < once.value < thrice.value < 0.83
    assert once.high - once.low > thrice.high - thrice.low
    coming = MODEL.estimate([0.83], more=2)
    assert (coming.deviation, coming.trainings) == (thrice.deviation, 3)


def test_a_network_that_was_named_beforehand_is_not_moved() -> None:
    made = Estimator(MODEL, {3: (0.83, 0.81)}, frozenset({3}))
    assert made.of(3, 0.83).value == pytest.approx(0.82)
    assert made.of(4, 0.83).value < 0.82
    assert made.moved == {3}


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("lasting", [0.2, 0.75])
def test_the_best_of_several_trainings_of_a_network_is_not_overrated(chosen: bool, lasting: float) -> None:
    rng, noise, apart, count = np.random.default_rng(1), 0.01, 0.015, 5
    model = ScoreModel(0.8, apart**2 + noise**2, noise**2, 10_000, 10_000, lasting=lasting)
    worth = rng.normal(0.8, apart, (4000, 1)) + rng.normal(0, noise * math.sqrt(lasting), (4000, count))
    scores = worth + rng.normal(0, noise * math.sqrt(1 - lasting), worth.shape)
    best = scores.argmax(axis=1)
    truth, own = worth[np.arange(4000), best], scores.max(axis=1)
    found = [
        model.estimate(of.tolist(), float(score), chosen=chosen)
        for of, score in zip(scores, own, strict=True)
    ]
    raw = float((own - truth).mean())
    assert raw > 0.2 * noise, "by its score alone it is"
    assert abs(np.mean([one.value for one in found] - truth)) < 0.05 * raw
    held = [one.low <= value <= one.high for one, value in zip(found, truth, strict=True)]
    assert 0.94 < np.mean(held) < 0.96


def test_networks_of_one_training_keep_the_order_of_their_scores_though_all_is_noise() -> None:
    noisy = ScoreModel(center=0.8, total=0.0001, noise=0.01, freedom=8, networks=10)
    values = [noisy.estimate([score]).value for score in (0.9, 0.8, 0.79, 0.3)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


def test_of_a_training_lasts_what_it_does_not_owe_to_the_choice_of_examples() -> None:
    lasting = replace(MODEL, lasting=0.6)
    of_network = MODEL.estimate([0.83, 0.79])
    found = lasting.estimate([0.83, 0.79])
    assert found.value == pytest.approx(of_network.value + 0.6 * (0.83 - of_network.value))
    named = lasting.estimate([0.83], chosen=False)
    assert named.value == 0.83
    assert named.deviation == pytest.approx(math.sqrt(0.4 * MODEL.noise) * stretch(MODEL.freedom))
    certain = replace(MODEL, lasting=1.0).estimate([0.83, 0.79])
    assert (certain.value, certain.deviation) == (pytest.approx(0.83), 0.0)


def stretch(freedom: float) -> float:
    return float(t.ppf(0.975, freedom) / norm.ppf(0.975))


def test_the_noise_of_a_share_lasts_as_far_as_repeats_differ_more_than_for_their_examples() -> None:
    by_examples, apart = fitted([0.8, 0.8], 2, [], 400), fitted([0.8, 0.8], 2, [[0.7, 0.9]] * 8, 400)
    assert by_examples is not None
    assert apart is not None
    assert by_examples.lasting == pytest.approx(1 - DISCORDANT)
    assert apart.lasting == pytest.approx(1 - DISCORDANT * 0.0004 / apart.noise)
    other = fitted([0.8, 0.8], 2, [[0.7, 0.9]] * 8)
    assert other is not None
    assert other.lasting == LASTING


def test_the_interval_of_a_share_ends_at_one() -> None:
    assert MODEL.estimate([1.0], chosen=False).high == 1.0


def test_a_tail_of_bad_networks_does_not_count() -> None:
    good = [0.9 + n / 1000 for n in range(20, 0, -1)]
    with_tail = fitted([*good, *[0.1] * 8], 28, [], 1000)
    alone = fitted(good, 20, [], 1000)
    assert with_tail is not None
    assert alone is not None
    assert alone.total < with_tail.total < 2 * alone.total
    assert abs(with_tail.center - alone.center) < 0.005


def test_the_noise_is_that_of_the_repeats_and_of_the_examples() -> None:
    repeats = [[0.8, 0.9], [0.7, 0.7, 0.7]]
    by_repeats, by_examples = fitted([0.9, 0.8], 2, repeats), fitted([0.8, 0.8], 2, [], 400)
    both = fitted([0.8, 0.8], 2, repeats, 400)
    assert by_repeats is not None
    assert by_examples is not None
    assert both is not None
    assert by_repeats.noise == pytest.approx(0.005 / 3)
    assert by_examples.noise == pytest.approx(0.0004)
    assert both.noise == pytest.approx((0.005 + 8 * 0.0004) / 11)
    assert both.freedom == 11


def test_without_repeats_and_examples_nothing_is_estimated() -> None:
    assert fitted([0.9, 0.8, 0.7], 3, [[0.5]]) is None
    assert fitted([], 0, [], 100) is None


def test_what_always_scores_the_same_is_worth_its_score() -> None:
    model = fitted([2.5, *[2.0] * 5], 6, [[2.5, 2.5, 2.5, 2.5]])
    assert model is not None
    found = model.estimate([2.0])
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_two_trainings_that_agree_are_no_proof_that_there_is_no_noise() -> None:
    assert fitted([0.9, 0.8, 0.75, 0.7, 0.65, 0.6], 6, [[0.9, 0.9]]) is None
