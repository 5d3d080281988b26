"""The order of a leaderboard."""

from controllers.objectives import at_most, maximize
from nas.ranking import rank
from nas.records import Trial


def _trial(number: int, **metrics: float) -> Trial:
    return Trial(number, f"{number:016x}", {}, "complete", metrics=metrics)


def _numbers(trials: list[Trial]) -> list[int]:
    return [trial.number for trial in trials]


def test_equal_objectives_are_told_apart_by_the_validation_loss() -> None:
    trials = [
        _trial(0, accuracy=0.9, loss=0.3),
        _trial(1, accuracy=0.9, loss=0.2),
        _trial(2, accuracy=0.8, loss=0.1),
    ]
    assert _numbers(rank(trials, [maximize("accuracy")], [])) == [1, 0, 2]


def test_what_breaks_a_limit_comes_after_all_that_do_not() -> None:
    trials = [
        _trial(0, accuracy=0.9, size=11),
        _trial(1, accuracy=0.5, size=10),
        _trial(2, accuracy=0.9, size=20),
    ]
    assert _numbers(rank(trials, [maximize("accuracy")], [at_most("size", 10)])) == [1, 0, 2]


def test_trials_without_a_loss_keep_their_order() -> None:
    trials = [_trial(number, accuracy=0.5) for number in range(4)]
    assert _numbers(rank(trials, [maximize("accuracy")], [])) == [0, 1, 2, 3]
