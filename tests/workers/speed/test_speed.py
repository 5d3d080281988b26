"""Speed: what trials take is learnt from those measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from search_spaces import Architecture, Classification, Image, Signature, Space, layer, sequential
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.speed.speed import _PRIOR, Speed, TrialSeconds
from workers.speed.trial_work import AMOUNTS, FORWARD, Amounts, TrialWorks
from workers.table import Answer, Table

TASKS = {"one": Classification(3), "other": Classification(3)}


def problem(examples: int = 64, tasks: int = 1) -> Problem:
    signature = Signature({"image": Image(3, 6, 6)}, dict(list(TASKS.items())[:tasks]))
    targets = {name: torch.arange(examples) % 3 for name in signature.tasks}
    split = Split({"image": torch.zeros(examples, 3, 6, 6)}, targets)
    return Problem(name="images", signature=signature, train=split, validation=split, test=split)


def network(*layers: Any, **recipe: Any) -> Architecture:
    return Space({"model": sequential(*layers), "recipe": {"batch_size": 16, **recipe}}).plain()


def convolutions(depth: int, channels: int) -> Architecture:
    return network(*[layer(nn.Conv2d, out_channels=channels, kernel_size=3, padding=1)] * depth)


def linear(depth: int, features: int) -> Architecture:
    return network(layer(nn.Flatten), *[layer(nn.Linear, out_features=features), layer(nn.ReLU)] * depth)


PROBLEM = problem()
PLAIN = convolutions(2, 16)
OTHERS = [linear(1, 500), linear(9, 8), convolutions(1, 64), convolutions(8, 4), linear(3, 100)]
JUDGED = [linear(2, 300), linear(6, 30), convolutions(3, 32), convolutions(5, 8)]
PRIOR = np.array([_PRIOR["cpu"][name] for name in AMOUNTS])


def epochs(some: Sequence[Architecture], seconds: Amounts) -> list[float]:
    """What epochs' trainings take where one of each amount takes so long."""
    works = [TrialWorks(PROBLEM).of(one) for one in some]
    return [float(work.epoch @ seconds) for work in works if work is not None]


def predicted(speed: Speed, some: Sequence[Architecture], device: str | None = None) -> list[float]:
    answers = [speed.predict(one, device=device) for one in some]
    return [answer.epoch for answer in answers if answer is not None]


def observed(some: Sequence[Architecture], seconds: Amounts, **options: Any) -> Speed:
    speed = Speed(PROBLEM)
    for one, took in zip(some, epochs(some, seconds), strict=True):
        speed.observe(one, took, **options)
    return speed


def test_the_plain_network_tells_how_fast_a_machine_is() -> None:
    for factor in (0.01, 1.0, 30.0):
        speed = observed([PLAIN], factor * PRIOR)
        assert predicted(speed, [PLAIN, *JUDGED]) == pytest.approx(
            epochs([PLAIN, *JUDGED], factor * PRIOR), rel=0.15
        )


def test_more_networks_tell_what_takes_longer_here() -> None:
    here = PRIOR * np.array([4, 0.5, 1, 1, 0.5, 1])  # operators are slow
    truth = np.array(epochs(JUDGED, here))

    def error(speed: Speed) -> float:
        return float(np.abs(np.log(predicted(speed, JUDGED) / truth)).max())

    alone = error(observed([PLAIN], here))
    assert alone > np.log(1.5)
    few, many = (error(observed([PLAIN, *OTHERS] * times, here)) for times in (1, 8))
    assert many < np.log(1.2) < few < alone


def test_a_measurement_while_the_machine_stood_still_spoils_nothing() -> None:
    speed = observed([PLAIN, *OTHERS], PRIOR)
    speed.observe(JUDGED[0], 20 * epochs(JUDGED[:1], PRIOR)[0])
    assert predicted(speed, JUDGED) == pytest.approx(epochs(JUDGED, PRIOR), rel=0.5)


def test_the_same_measurements_give_the_same_predictions() -> None:
    one, other = observed([PLAIN, *OTHERS], PRIOR), Speed(PROBLEM)
    for network, took in zip([PLAIN, *OTHERS], epochs([PLAIN, *OTHERS], PRIOR), strict=True):
        other.observe(network, took)
        other.predict(JUDGED[0])  # asked in between or not
    assert predicted(one, JUDGED) == predicted(other, JUDGED)


def test_each_device_has_a_speed_of_its_own() -> None:
    speed = observed([PLAIN], PRIOR)
    alone = predicted(speed, JUDGED)
    speed.observe(PLAIN, 0.01, device="NVIDIA H100 80GB HBM3")
    assert predicted(speed, JUDGED, "cpu") == alone
    # of a card operators alone count, where networks are small
    pair = convolutions(8, 4), convolutions(1, 4)
    operators = [one.work(PROBLEM.signature).num_operators for one in pair]
    deep, shallow = predicted(speed, pair)
    assert 1.5 < deep / shallow < operators[0] / operators[1]
    assert speed.predict(PLAIN, device="another card") is None


def test_what_is_around_the_training_is_learnt_too() -> None:
    speed = Speed(PROBLEM)
    speed.observe(PLAIN, 1.0, rest=3.0, epochs=2)
    first = speed.predict(PLAIN)
    for _ in range(20):
        speed.observe(PLAIN, 1.0, rest=3.0, epochs=2)
    later = speed.predict(PLAIN)
    assert first is not None
    assert later is not None
    assert later.epoch == pytest.approx(1.0, rel=0.1)
    assert later.total(2) == pytest.approx(5.0, rel=0.2)
    assert abs(later.total(2) - 5.0) <= abs(first.total(2) - 5.0)


def test_nothing_is_predicted_where_nothing_was_measured_or_can_be_counted() -> None:
    assert Speed(PROBLEM).predict(PLAIN) is None
    speed = observed([PLAIN], PRIOR)
    unbuildable = network(layer(nn.Conv2d, out_channels=4, kernel_size=9))
    assert speed.predict(unbuildable) is None
    speed.observe(unbuildable, 1.0)
    assert predicted(speed, JUDGED) == predicted(observed([PLAIN], PRIOR), JUDGED)
    space = Space(sequential(layer(nn.Flatten)))
    table = Speed(Table("table", space, PROBLEM.signature, lambda architecture: Answer({}, 1.0)))
    table.observe(PLAIN, 1.0)
    assert table.predict(PLAIN) is None


def test_a_trial_goes_on_at_its_own_pace() -> None:
    assert TrialSeconds(epoch=2.0, validation=0.5, once=1.0).total(4) == 11.0
    assert TrialSeconds(2.0, 0.5, 1.0).at(4.0) == TrialSeconds(4.0, 1.0, 1.0)


def test_work_grows_with_examples_steps_and_backward_passes() -> None:
    small, large = (TrialWorks(problem(count)).of(PLAIN) for count in (64, 128))
    assert small is not None
    assert large is not None
    np.testing.assert_allclose(large.epoch, 2 * small.epoch)
    np.testing.assert_allclose(large.validation[1:3], FORWARD * large.epoch[1:3])

    def counted(**recipe: Any) -> Amounts:
        work = TrialWorks(problem(tasks=2)).of(network(layer(nn.Flatten), **recipe))
        assert work is not None
        return work.epoch[[0, 1, 4]]

    fewer_steps = counted(batch_size=32) / counted()
    np.testing.assert_allclose(fewer_steps, [0.5, 1, 0.5])
    twice = counted(balancing="pcgrad") / counted()
    np.testing.assert_allclose(twice, [*[FORWARD + 2 * (1 - FORWARD)] * 2, 1])
