"""What scores on the way foretell: lines between rungs, how sure they are, and what cannot bend them."""

import math
import random

import pytest

from controllers.curves import END, Curves, OlderCurve, last_gain


def searched(trials: int, noise: float = 0.0, seed: int = 0) -> Curves:
    """Returns curves of trials of which the best third at 1 and at 3 epochs go on: 2 s + 1, then s + 5."""
    rng, curves = random.Random(seed), Curves()
    first = {str(number): rng.random() for number in range(trials)}
    for trial, score in first.items():
        curves.add(trial, 1, score)
    second = {trial: 2 * first[trial] + 1 + noise * rng.gauss(0, 1) for trial in best_third(first)}
    for trial, score in second.items():
        curves.add(trial, 3, score)
    for trial in best_third(second):
        curves.add(trial, END, second[trial] + 5 + noise * rng.gauss(0, 1))
    return curves


def best_third(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=scores.__getitem__, reverse=True)[: len(scores) // 3]


def of(curves: Curves, trial: str) -> tuple[float, float]:
    forecast = curves.forecast(trial)
    assert forecast is not None
    return forecast.mean, forecast.deviation


def test_a_trial_that_came_to_its_end_is_what_it_is() -> None:
    curves = searched(27)
    curves.add("a", 1, 0.3)
    curves.add("a", END, 0.25)
    assert of(curves, "a") == (0.25, 0.0)


def test_nothing_is_said_of_a_trial_that_was_never_seen() -> None:
    assert Curves().forecast("a") is None


def test_before_any_trial_went_on_a_score_is_expected_to_stay_give_or_take_all_others() -> None:
    curves = Curves()
    for trial, score in (("a", 1.0), ("b", 3.0)):
        curves.add(trial, 1, score)
    assert of(curves, "a") == (1.0, 1.0)


def test_forecasts_follow_the_lines_although_only_the_best_went_on() -> None:
    curves = searched(270)
    curves.add("new", 1, 0.5)
    mean, deviation = of(curves, "new")  # 2 * 0.5 + 1 + 5
    assert mean == pytest.approx(7.0, abs=0.2)
    assert deviation < 0.2


def test_what_is_seen_later_is_surer() -> None:
    curves = searched(270, noise=0.3)
    curves.add("new", 1, 0.9)
    early = of(curves, "new")[1]
    curves.add("new", 3, 2.8)
    assert of(curves, "new")[1] < early


def test_the_deviation_is_that_of_what_comes() -> None:
    off = []
    for seed in range(60):
        curves = searched(270, noise=0.3, seed=seed)
        curves.add("new", 1, 0.9)
        mean, deviation = of(curves, "new")
        rng = random.Random(f"end {seed}")
        came = 2 * 0.9 + 1 + 5 + 0.3 * rng.gauss(0, 1) + 0.3 * rng.gauss(0, 1)
        off.append(((came - mean) / deviation) ** 2)
    assert 0.6 < sum(off) / len(off) < 1.6


def test_forecasts_keep_the_order_of_a_rung_even_where_ends_turn_it_over() -> None:
    curves = Curves()
    for number in range(20):
        curves.add(str(number), 1, float(number))
        curves.add(str(number), END, float(-number))
    for trial, score in (("low", 3.0), ("high", 30.0)):
        curves.add(trial, 1, score)
    assert of(curves, "low")[0] <= of(curves, "high")[0]


def test_a_few_trials_that_break_down_do_not_bend_a_line() -> None:
    curves = searched(270)
    for number in range(3):
        curves.add(f"broken {number}", 3, 2.9)
        curves.add(f"broken {number}", END, -1e6)
    curves.add("new", 3, 2.5)
    assert of(curves, "new")[0] == pytest.approx(7.5, abs=0.5)


def test_a_cost_is_foretold_exactly() -> None:
    curves = Curves()
    for number in range(3):
        curves.add(str(number), 1, 100.0 * number)
        curves.add(str(number), END, 100.0 * number)
    curves.add("new", 1, 12345.0)
    assert of(curves, "new") == (12345.0, 0.0)


def test_what_was_asked_for_in_between_changes_no_forecast() -> None:
    first, second = Curves(), Curves()
    for number in range(9):
        for curves in (first, second):
            curves.add(str(number), 1, number**1.5)
            if number % 2:
                curves.add(str(number), END, 2.0 * number)
        first.forecast("0")
    assert first.forecast("0") == second.forecast("0")


def test_scores_too_large_to_be_squared_foretell_nothing() -> None:
    curves = Curves()
    for number in range(4):
        curves.add(str(number), 1, 1e200 * (-1) ** number)
        curves.add(str(number), END, 1e250 * number)
    curves.add("new", 1, 1e300)
    assert curves.forecast("new") is None


def with_gains(trials: int, worth: float, noise: float, seed: int = 0) -> Curves:
    """Returns curves of trials that end with their score after 6 epochs and `worth` times their last gain."""
    rng, curves = random.Random(seed), Curves()
    for number in range(trials):
        score, gain = rng.random(), rng.random()
        before = score - gain * math.log(6 / 5)
        curves.add(str(number), 6, score, before)
        curves.add(str(number), END, score + worth * gain + noise * rng.gauss(0, 1))
    for trial, gain in (("flat", 0.0), ("rising", 1.0)):
        curves.add(trial, 6, 0.5, 0.5 - gain * math.log(6 / 5))
    return curves


def test_what_a_trial_gained_last_counts_by_what_came_of_it_in_others() -> None:
    curves = with_gains(60, worth=0.5, noise=0.05)
    assert of(curves, "rising")[0] - of(curves, "flat")[0] == pytest.approx(0.5, abs=0.1)
    assert curves.worth_of_gain(6) == pytest.approx(0.5, abs=0.1)


def test_gains_that_say_nothing_bend_no_line() -> None:
    worths = [with_gains(20, worth=0.0, noise=0.3, seed=seed).worth_of_gain(6) for seed in range(40)]
    assert sum(worth == 0.0 for worth in worths) >= 36
    assert max(map(abs, worths)) < 0.3


def test_a_few_trials_bend_no_line() -> None:
    assert with_gains(2, worth=0.5, noise=0.0).worth_of_gain(6) == 0.0


@pytest.mark.parametrize(("epochs", "before"), [(2, 0.1), (6, None), (END, 0.1)])
def test_no_gain_is_known_of_first_epochs_or_ends(epochs: float, before: float | None) -> None:
    assert last_gain(epochs, 0.5, before) == 0.0


def test_trials_of_older_searches_count_as_if_they_had_paused_on_the_rungs_of_now() -> None:
    rng, own, older = random.Random(0), Curves(), Curves()
    for number in range(30):
        first, gain = rng.random(), rng.random()
        second, end = first + gain, first + 2 * gain + 0.1 * rng.random()
        trial = str(number)
        own.add(trial, 6, first, first - gain / 6)
        own.add(trial, 18, second)
        own.add(trial, END, end)
        way = {3: 9.9, 5: first - gain / 6, 6: first, 12: -9.9, 18: second, 20: 9.9}
        older.recall(OlderCurve(trial, {epochs: (score,) for epochs, score in way.items()}, (end,)), [6, 18])
    for curves in (own, older):
        curves.add("new", 6, 0.5, 0.4)
    assert older.num_complete == 30
    assert older.worth_of_gain(6) == own.worth_of_gain(6) != 0.0
    assert of(older, "new") == of(own, "new")


def test_an_older_trial_that_was_not_seen_on_a_rung_says_nothing() -> None:
    curves = Curves()
    curves.recall(OlderCurve("old", {2: (0.5,)}, (0.9,)), [3, 9])
    assert curves.num_complete == 0
    assert curves.forecast("old") is None
