"""The contract of problems finds what it is there to find."""

import dataclasses
import itertools
import subprocess
import sys
from typing import Any

import pytest
import torch

from workers.problems import Problem
from workers.testing import ProblemContract
from workers.testing.jobs import points


def check(problem: Problem, *loaded: Problem) -> list[str]:
    """The tests of the contract that a problem fails, which is another one each time that it is loaded."""
    contract, more = ProblemContract(), itertools.cycle(loaded or [problem])

    def load(**options: Any) -> Problem:
        return next(more)

    def fails(test: str, *arguments: Any) -> list[str]:
        try:
            getattr(contract, test)(*arguments)
        except AssertionError:
            return [test]
        return []

    return [
        *fails("test_it_says_what_it_is", problem),
        *fails("test_its_objective_is_one_of_its_metrics", problem),
        *fails("test_no_example_is_in_two_splits", problem, "test", "train"),
        *fails("test_it_is_the_same_each_time_that_it_is_loaded", load, problem),
        *fails("test_its_options_survive_json_and_load_it_again", load, problem),
        *fails("test_it_reaches_a_worker_whole", problem),
        *fails("test_a_network_trains_on_it_for_an_epoch_with_finite_metrics", problem),
    ]


def test_a_good_problem_passes() -> None:
    assert check(points()) == []


def test_a_test_split_out_of_the_training_split_is_found() -> None:
    leaking = dataclasses.replace(points(), test=points().train)
    assert check(leaking) == ["test_no_example_is_in_two_splits"]


def test_a_problem_that_is_divided_anew_each_time_is_found() -> None:
    again = dataclasses.replace(points(), train=points().train.select(torch.randperm(72)))
    assert check(points(), again) == [
        "test_it_is_the_same_each_time_that_it_is_loaded",
        "test_its_options_survive_json_and_load_it_again",
    ]


def test_options_that_json_cannot_hold_are_found() -> None:
    assert check(dataclasses.replace(points(), options={"sizes": (1, 2)})) == [
        "test_its_options_survive_json_and_load_it_again"
    ]


def test_a_problem_without_a_description_is_found() -> None:
    assert check(dataclasses.replace(points(), description="")) == ["test_it_says_what_it_is"]


def test_numbers_so_large_that_the_loss_is_infinite_are_found() -> None:
    huge = points()
    huge.train.inputs["point"].fill_(3e38)
    assert "test_a_network_trains_on_it_for_an_epoch_with_finite_metrics" in check(huge)


@pytest.mark.parametrize("module", ["workers.testing", "workers.testing.jobs"])
def test_what_a_worker_imports_needs_no_pytest(module: str) -> None:
    code = f"import sys, {module}; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
