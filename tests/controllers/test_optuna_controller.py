"""Optuna's samplers: what they are asked, what they are told, and that they stay quiet."""

import copy
import random
import subprocess
import sys
import warnings
from typing import Any

import optuna
import pytest

from controllers import OptunaController, Proposal, at_most, maximize, minimize, replay
from search_spaces import Space, choice, integer, real
from search_spaces.errors import ControllerError, UnknownNameError

SPACE = Space(
    {
        "op": choice(p={"k": choice(1, 2, 3)}, q={"r": real(0.1, 10.0, log=True)}),
        "n": integer(8, 512, step=8, log=True),
        "m": integer(10, 50, step=5),
        "flag": choice(True, 2, "1", None),
        "fixed": choice("only"),
    }
)
SMALL = Space({"a": choice(*range(4)), "b": choice(*range(4))})
SAMPLERS = ("tpe", "gp", "nsga2", "nsga3", "qmc", "random")
FAIL, COMPLETE = optuna.trial.TrialState.FAIL, optuna.trial.TrialState.COMPLETE
PRUNED = optuna.trial.TrialState.PRUNED


def trials(controller: OptunaController) -> list[Any]:
    found: list[Any] = controller._study.get_trials()
    return found


def params(trial: Any) -> dict[str, Any]:
    """What a trial says was evaluated, with integers as such."""
    return {path: round(value) if path == "n" else value for path, value in trial.params.items()}


def drive(controller: OptunaController, steps: int) -> list[Any]:
    """Ask and tell in a jumbled order with failures and results from elsewhere; returns the events."""
    rng = random.Random(0)
    events: list[Any] = []
    for step in range(steps):
        if rng.random() < 0.6 or not controller.in_flight:
            events.append(("ask", controller.ask()))
            continue
        told = rng.choice(controller.in_flight)
        if step % 5 == 0:
            told = Proposal(1000 + step, SPACE.sample(rng))
        draw = rng.random()
        cheap = {"y": 2.0} if controller.limits else {"x": 0.0, "y": 2.0}
        values = None if draw < 0.1 else cheap if draw < 0.3 else {"x": draw, "y": draw}
        events.append(("tell", told, values))
        controller.tell(told, values)
    return events


@pytest.mark.parametrize(
    "sampler", [pytest.param(name, marks=[pytest.mark.slow] * (name == "gp")) for name in SAMPLERS]
)
def test_every_sampler_keeps_the_laws_and_quiet(sampler: str, capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> OptunaController:
        return OptunaController(SPACE, maximize("x"), sampler=sampler, limits=at_most("y", 1.0), seed=3)

    steps = 31 if sampler == "gp" else 45  # each of its asks takes long
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, restored = make(), make()
        assert replay(restored, drive(first, steps)) == list(first.in_flight)
        following = [[dict(c.ask().architecture.decisions) for _ in range(2)] for c in (first, restored)]
    assert following[0] == following[1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "random"])
def test_several_objectives(sampler: str) -> None:
    controller = OptunaController(SPACE, [maximize("x"), minimize("y")], sampler=sampler, seed=0)
    drive(controller, 20 if sampler == "gp" else 40)


def test_each_active_hole_is_asked_by_its_path_with_its_own_distribution() -> None:
    controller = OptunaController(SPACE, maximize("x"), seed=0)
    for _ in range(8):
        proposal = controller.ask()
        trial = trials(controller)[-1]
        assert set(trial.params) == set(proposal.architecture.decisions)
        kinds = {path: type(d).__name__[:-12] for path, d in trial.distributions.items()}
        assert kinds.pop("op.p.k", "Categorical") == "Categorical"
        assert kinds.pop("op.q.r", "Float") == "Float"
        # Optuna has no logarithmic integers in steps
        assert kinds == {
            "op": "Categorical",
            "n": "Float",
            "m": "Int",
            "flag": "Categorical",
            "fixed": "Categorical",
        }
        assert proposal.architecture.decisions["n"] % 8 == 0  # type: ignore[operator]


def test_it_is_told_scores_whose_larger_values_are_better() -> None:
    controller = OptunaController(SMALL, [maximize("x"), minimize("y")], seed=0)
    controller.tell(controller.ask(), {"x": 1.0, "y": 2.0})
    assert trials(controller)[0].values == [1.0, -2.0]
    assert {d.name for d in controller._study.directions} == {"MAXIMIZE"}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_it_learns_what_was_evaluated_where_the_guard_replaced_its_proposal(sampler: str) -> None:
    controller = OptunaController(SMALL, maximize("x"), sampler=sampler, seed=0)
    asked = {}
    for _ in range(16):
        proposal = controller.ask()
        asked[proposal.number] = dict(proposal.architecture.decisions)
        controller.tell(proposal, {"x": float(proposal.number)})
    done = [trial for trial in trials(controller) if trial.state == COMPLETE]
    assert [trial.params for trial in done] == [asked[int(trial.value)] for trial in done]
    assert len(done) == 16
    others = [trial.state for trial in trials(controller) if trial.state != COMPLETE]
    assert others  # it did repeat itself
    assert set(others) == {FAIL}
    if sampler == "nsga2":  # a trial without a generation is no parent
        assert all("NSGAIISampler:generation" in trial.system_attrs for trial in done)


def test_a_recorded_proposal_takes_the_place_of_its_own() -> None:
    controller = OptunaController(SMALL, maximize("x"), seed=0)
    own = controller.ask()
    other = next(a for a in SMALL.enumerate() if a.id != own.architecture.id)
    controller.adopt(Proposal(own.number, other))
    controller.tell(Proposal(own.number, other), {"x": 1.0})
    assert [(trial.state, trial.params) for trial in trials(controller)] == [
        (FAIL, dict(own.architecture.decisions)),
        (COMPLETE, dict(other.decisions)),
    ]


def test_tpe_hears_of_pauses_as_pruned_trials_once_it_has_heard_of_four_ends() -> None:
    controller = OptunaController(SMALL, maximize("x"), limits=at_most("y", 1.0), seed=0)
    asked = [controller.ask() for _ in range(6)]
    controller.set_aside(asked[0])
    for proposal in asked[:5]:
        controller.observe(proposal, 3, {"x": 0.5, "y": 0.0})
    for proposal in asked[1:5]:
        assert all(trial.state != PRUNED for trial in trials(controller))
        controller.tell(proposal, {"x": 1.0, "y": 0.0})
    controller.observe(asked[0], 9, {"x": 0.7, "y": 0.0})
    network = dict(asked[0].architecture.decisions)
    pruned = [trial for trial in trials(controller) if trial.state == PRUNED and trial.params == network]
    assert [trial.intermediate_values for trial in pruned] == [{3: 0.5}, {9: 0.7}]
    assert controller.ask()
    controller.tell(asked[0], {"x": 0.8, "y": 0.0})
    done = [trial for trial in trials(controller) if trial.state == COMPLETE]
    assert (len(done), done[-1].value, done[-1].params) == (5, 0.8, network)


@pytest.mark.parametrize("sampler", ["nsga2", "qmc", "random"])
def test_samplers_that_know_no_pruned_trials_hear_of_ends_only(sampler: str) -> None:
    controller = OptunaController(SMALL, maximize("x"), sampler=sampler, seed=0)
    asked = [controller.ask() for _ in range(6)]
    for proposal in asked[:5]:
        controller.observe(proposal, 1, {"x": 0.2})
        controller.tell(proposal, {"x": 1.0})
    controller.observe(asked[5], 3, {"x": 0.5})
    assert all(trial.state != PRUNED for trial in trials(controller))


def test_results_from_elsewhere_join_as_far_as_the_space_knows_them() -> None:
    controller = OptunaController(SPACE, maximize("x"), seed=0)
    own = SPACE.sample(random.Random(0))
    controller.tell(Proposal(0, own), {"x": 1.0})
    other = Space({"m": choice(10, 999), "z": choice(1, 2)})
    controller.tell(Proposal(1, other.architecture({"m": 999, "z": 1})), {"x": 2.0})
    assert params(trials(controller)[0]) == dict(own.decisions)
    assert trials(controller)[1].params == {}
    assert controller.ask()


def test_failures_are_told_as_failed_and_the_infeasible_by_their_violation() -> None:
    controller = OptunaController(SMALL, maximize("x"), limits=at_most("y", 2.0), seed=0)
    for values in (None, {"x": 5.0, "y": 1.0}, {"y": 3.0}, {"x": 9.0, "y": 6.0}):
        controller.tell(controller.ask(), values)
    failed, feasible, unmeasured, infeasible = trials(controller)
    assert failed.state == FAIL
    assert [tuple(t.constraints.values()) for t in (feasible, unmeasured, infeasible)] == [
        (0.0,),
        (0.5,),
        (2.0,),
    ]
    assert [t.value for t in (feasible, unmeasured, infeasible)] == [5.0, 5.0, 9.0]


def test_a_sampler_that_knows_no_constraints_is_told_the_worst_score_for_the_infeasible() -> None:
    controller = OptunaController(SMALL, maximize("x"), sampler="qmc", limits=at_most("y", 2.0), seed=0)
    for values in ({"x": 5.0, "y": 1.0}, {"x": 3.0, "y": 1.0}, {"x": 9.0, "y": 6.0}):
        controller.tell(controller.ask(), values)
    assert [trial.value for trial in trials(controller)] == [5.0, 3.0, 3.0]


def test_a_sampler_given_is_copied() -> None:
    sampler = optuna.samplers.TPESampler(seed=5, n_startup_trials=3)
    runs = []
    for _ in range(2):
        controller = OptunaController(SPACE, maximize("x"), sampler=sampler, seed=0)
        drive(controller, 30)
        runs.append([trial.params for trial in trials(controller)])
    assert runs[0] == runs[1]


def test_it_can_be_copied_before_its_first_ask() -> None:
    controller = OptunaController(SMALL, maximize("x"), seed=0)
    twin = copy.deepcopy(controller)
    assert [controller.ask().architecture.id for _ in range(3)] == [
        twin.ask().architecture.id for _ in range(3)
    ]


def test_optuna_is_imported_late_and_says_nothing() -> None:
    program = """
import sys, controllers
assert "optuna" not in sys.modules
limit = controllers.at_most("y", 1)
controller = controllers.OptunaController({"a": [1]}, controllers.maximize("x"), limits=limit)
for values in (None, {"x": 1.0, "y": 0.0}, {"y": 2.0}):
    controller.tell(controller.ask(), values)
import optuna
assert optuna.logging.get_verbosity() == optuna.logging.INFO
"""
    folder = __file__.rsplit("/tests/", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=folder, capture_output=True, text=True
    )
    assert done.stdout + done.stderr == ""


def test_what_is_no_sampler_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="tpee"):
        OptunaController(SMALL, maximize("x"), sampler="tpee")
    with pytest.raises(ControllerError, match="sampler"):
        OptunaController(SMALL, maximize("x"), sampler=42)
    with pytest.raises(ControllerError, match="one objective"):
        OptunaController(SMALL, [maximize("x"), minimize("y")], sampler="cmaes")
