"""The contract kit: an outside package can use it, and a controller that breaks a law does not pass."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controllers import Controller, Draft, Outcome, Proposal, RandomSearch
from controllers.testing import ControllerContract
from controllers.testing.driving import FLAT

ROOT = Path(__file__).parents[3]
OUTSIDE = '''
from controllers import Controller, Draft
from controllers.testing import ControllerContract


class Mine(Controller):
    """Mutates the best so far."""

    best = None

    def _propose(self):
        if self.best is None:
            return self._draw()
        return Draft(self.moves.mutate(self.best[1], self.rng), origin="mutation")

    def _learn(self, proposal, outcome):
        if outcome.scores and (self.best is None or outcome.scores[0] > self.best[0]):
            self.best = outcome.scores[0], proposal.architecture


class TestMine(ControllerContract):
    results = 150

    def make(self, space, objectives, **options):
        return Mine(space, objectives, **options)
'''


@pytest.mark.slow
def test_a_controller_of_another_package_is_held_to_the_laws_by_a_subclass(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(OUTSIDE)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "-k",
         "hash or replay or exhaustion or better_networks", "test_mine.py"],
        check=False, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "24 passed" in run.stdout


class Broken(ControllerContract):
    """The contract of a controller that breaks one law, given by the method that breaks it."""

    broken: type[Controller]

    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        return self.broken(space, objectives, **options)


class Global(RandomSearch):
    """Draws from the global generator."""

    def _propose(self) -> Draft:
        return Draft(self.space.sample(random.Random(random.random())))


class Forgetful(RandomSearch):
    """Holds something that its seed and calls do not say: how many controllers there were before."""

    made = 0

    def _propose(self) -> Draft:
        if not self.num_asked:
            Forgetful.made += 1
        return Draft(self.space.sample(random.Random(Forgetful.made * 1000 + self.num_asked)))


class Backwards(RandomSearch):
    """Goes back to the worst."""

    worst: tuple[float, Proposal] | None = None

    def _propose(self) -> Draft:
        if self.worst is None:
            return super()._propose()
        return Draft(self.moves.mutate(self.worst[1].architecture, self.rng))

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        if outcome.scores and (self.worst is None or outcome.scores[0] < self.worst[0]):
            self.worst = outcome.scores[0], proposal


def contract_of(kind: type[Controller]) -> Broken:
    contract = Broken()
    contract.broken = kind
    return contract


def test_a_controller_that_draws_from_the_global_generator_does_not_pass() -> None:
    with pytest.raises(AssertionError):
        contract_of(Global).test_global_random_state_is_neither_read_nor_written()


def test_a_controller_that_is_not_deterministic_does_not_pass() -> None:
    class Contract(Broken):
        broken = Forgetful

    with pytest.raises(AssertionError):
        Contract().test_the_same_seed_and_calls_give_the_same_proposals(FLAT)


def test_a_controller_that_learns_the_wrong_way_does_not_pass() -> None:
    with pytest.raises(AssertionError):
        contract_of(Backwards).test_learners_propose_better_networks_over_time(1.0)


def test_a_controller_that_fails_on_failures_does_not_pass() -> None:
    class Fragile(RandomSearch):
        def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
            float(outcome.scores[0])

    with pytest.raises(IndexError):
        contract_of(Fragile).test_a_search_in_which_everything_fails_goes_on(None)
