"""Priors over decisions: what is drawn from them, how they fade, how far they are trusted; what is none."""

import json
import random
from collections import Counter
from dataclasses import asdict
from statistics import fmean
from typing import Any

import pytest

from controllers import Prior, RandomSearch, maximize, minimize
from controllers.prior import Trust, near, prior_of
from controllers.records import FAILED, Outcome
from controllers.testing.driving import CONDITIONAL, FLAT
from search_spaces import Space, choice, integer, real
from search_spaces.errors import ControllerError

WIDE = Space(
    {
        "width": choice(16, 32, 64, 128),
        "depth": integer(1, 33),
        "rate": real(1e-4, 1e-1, log=True),
        "norm": choice(True, False, None),
        "op": choice("conv", "pool", "none"),
    }
)


def agreeing(prior: Prior, space: Space, center: dict[str, Any], evidence: int) -> float:
    """The mean share of the decisions of 200 draws that are those of a network."""
    rng = random.Random(0)
    draws = [prior.sample(space, rng, evidence).decisions for _ in range(200)]
    return fmean(fmean(draw[path] == value for path, value in center.items()) for draw in draws)


def test_draws_are_two_mutations_from_the_plain_network_and_spread_with_evidence() -> None:
    plain = dict(FLAT.plain().decisions)
    prior = prior_of("plain", FLAT)
    assert agreeing(prior, FLAT, plain, 0) == pytest.approx(6 / 8, abs=0.04)
    assert agreeing(prior, FLAT, plain, 10) == pytest.approx(0.5 * 6 / 8 + 0.5 / 4, abs=0.04)
    assert agreeing(prior, FLAT, plain, 10**6) == pytest.approx(1 / 4, abs=0.04)


def test_a_draw_is_near_one_of_several_good_networks_and_does_not_mix_them() -> None:
    several = [FLAT.architecture(dict.fromkeys(FLAT.holes(), op)) for op in "bd"]
    rng = random.Random(0)
    draws = [prior_of(several, FLAT).sample(FLAT, rng).decisions.values() for _ in range(200)]
    counts = [(list(draw).count("b"), list(draw).count("d")) for draw in draws]
    assert fmean(max(pair) for pair in counts) > 5.5
    assert 70 < sum(b > d for b, d in counts) < 130


def test_decisions_that_are_left_out_are_plain_and_those_that_are_not_active_yet_count() -> None:
    prior = prior_of({"body": {"mixer": 1}, "body.mixer.heads": 4}, CONDITIONAL)
    rng = random.Random(0)
    draws = [prior.sample(CONDITIONAL, rng).decisions for _ in range(200)]
    assert {draw["body"] for draw in draws} == {"mixer"}
    assert Counter(draw["body.mixer.heads"] for draw in draws).most_common(1)[0][0] == 4
    plain = CONDITIONAL.plain().decisions["units"]
    assert Counter(draw["units"] for draw in draws).most_common(1)[0][0] == plain


def test_values_are_drawn_by_their_weights_also_where_json_has_them_as_texts() -> None:
    given = {"width": {"16": 1, "64": 3}, "norm": {"null": 1, "true": 1}, "op": {"pool": 0.5}}
    prior = prior_of(json.loads(json.dumps(given)), WIDE)
    rng = random.Random(0)
    draws = [prior.sample(WIDE, rng).decisions for _ in range(400)]
    assert Counter(draw["width"] for draw in draws)[64] == pytest.approx(300, abs=40)
    assert {draw["width"] for draw in draws} == {16, 64}
    assert {draw["norm"] for draw in draws} == {None, True}
    assert {draw["op"] for draw in draws} == {"pool"}


def test_a_number_is_moved_to_a_near_one_and_among_options_the_nearest_comes_first() -> None:
    rng, holes = random.Random(0), WIDE.holes()
    moved = Counter(near(holes["width"], 16, rng) for _ in range(700))
    assert moved[32] == pytest.approx(400, abs=50)  # 4 : 2 : 1
    assert moved[128] == pytest.approx(100, abs=40)
    assert moved[16] == 0
    assert fmean(abs(near(holes["depth"], 17, rng) - 17) for _ in range(300)) < 8  # type: ignore[operator]
    assert {near(holes["op"], "conv", rng) for _ in range(50)} == {"pool", "none"}
    assert near(choice("only"), "only", rng) == "only"


@pytest.mark.parametrize("given", ["plain", {"width": 64, "op": {"conv": 3, "pool": 1}}], ids=str)
def test_a_prior_is_read_as_it_was_written(given: Any) -> None:
    prior = prior_of(given, WIDE)
    read = Prior(**json.loads(json.dumps(asdict(prior))))
    assert read == prior
    assert prior_of(read, WIDE) == prior


# -- trust -------------------------------------------------------------------------------------------------


def outcome(score: float) -> Outcome:
    return Outcome(feasible=True, failed=False, scores=(score,))


@pytest.mark.parametrize(("prior", "low", "high"), [(1.0, 0.9, 1.0), (-1.0, 0.0, 0.35), (0.0, 0.4, 0.8)])
def test_a_prior_is_trusted_as_often_as_its_draws_do_better(prior: float, low: float, high: float) -> None:
    trust, rng = Trust("prior"), random.Random(0)
    assert trust.share == 0.75
    for _ in range(3):
        trust.learn("prior", outcome(prior + rng.random() / 2))
        trust.learn("random", outcome(rng.random() / 2))
        trust.learn("mutation", outcome(100.0))
    assert low <= trust.share <= high


def test_draws_that_fail_speak_against_a_prior() -> None:
    trust = Trust("prior")
    for _ in range(3):
        trust.learn("prior", FAILED)
        trust.learn("random", outcome(0.0))
    assert trust.share < 0.25


@pytest.mark.parametrize("right", [True, False])
def test_a_search_at_random_leaves_a_wrong_prior_and_keeps_to_a_right_one(right: bool) -> None:
    objective = maximize("x") if right else minimize("x")
    controller = RandomSearch(FLAT, objective, seed=0)
    controller.use_prior(dict.fromkeys(FLAT.holes(), "c"))
    origins = []
    for _ in range(24):
        proposal = controller.ask()
        origins.append(proposal.origin)
        controller.tell(proposal, {"x": list(proposal.architecture.decisions.values()).count("c")})
    later = origins[8:].count("prior")
    assert later > 12 if right else later < 6


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "expected 'plain', an architecture or a list of them, or decisions"),
        ([], "expected 'plain'"),
        ("plane", "expected 'plain'"),
        (["plain"], "expected architectures or their decisions"),
        (
            {"widht": 64},
            r"the space has no decision 'widht'; did you mean 'width'\? \(there are: width, depth",
        ),
        ({3: 64}, "the space has no decision 3 "),
        (FLAT.plain(), "the space has no decision 'op0'"),
        ({"width": 65}, "decision 'width': expected one of 16, 32, 64, 128, got 65"),
        ({"depth": "deep"}, "decision 'depth': expected a whole number from 1 to 33, got 'deep'"),
        ({"op": {"conf": 1}}, "decision 'op': expected one of 'conv', 'pool', 'none', got 'conf'"),
        ({"op": {"conv": -1}}, "decision 'op': the weight of 'conv': expected a number from 0, got -1"),
        ({"op": {"conv": float("nan")}}, "the weight of 'conv': expected a number from 0, got nan"),
        ({"op": {"conv": True}}, "the weight of 'conv': expected a number from 0, got True"),
        ({"op": {"conv": 0}}, "expected a weight above 0 for one value at least"),
        ({"op": {}}, "expected a weight above 0 for one value at least"),
        ({"width": {"[16]": 1}}, r"decision 'width': expected one of .*, got '\[16\]'"),
        (Prior(({"op": "conf"},)), "decision 'op': expected one of"),
    ],
    ids=str,
)
def test_what_is_no_prior_of_the_space_is_answered_in_one_line(given: Any, message: str) -> None:
    controller = RandomSearch(WIDE, maximize("x"))
    with pytest.raises(ControllerError, match=f"^prior: .*{message}") as caught:
        controller.use_prior(given)
    assert "\n" not in str(caught.value)
    assert controller.prior is None


def test_a_prior_comes_before_the_first_proposal() -> None:
    controller = RandomSearch(WIDE, maximize("x"))
    controller.ask()
    with pytest.raises(ControllerError, match="expected a new controller, got one that was asked 1 times"):
        controller.use_prior("plain")
