"""The comparison by the real clock: its quick form, its file of runs, its statistics and its problems."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.real_search.__main__ import cases, options
from benchmarks.real_search.comparison import difference, holm, mean_ranks, scores_of, wilcoxon
from benchmarks.real_search.methods import METHODS, RUN
from benchmarks.real_search.plain import Setting, tuned
from benchmarks.real_search.problems import LONG, PARTS, PROBLEMS, SHORT, draw_of, main_score
from benchmarks.real_search.rows import DONE, FAILED, LACKING, Case, Rows
from benchmarks.real_search.tables import Comparison
from benchmarks.real_search.trials import TimeIsOver, Trainer, epochs_within
from benchmarks.real_search.typical import drawn, standardised
from workers.problems import Problem
from workers.recipe import Recipe

ROOT = Path(__file__).parents[1]


@pytest.mark.soak
@pytest.mark.end_to_end
def test_the_quick_form_ends_with_one_line_of_json_and_repeats_no_run(tmp_path: Path) -> None:
    def quick() -> list[str]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.real_search",
                "--quick",
                "--rows",
                str(tmp_path / "rows.jsonl"),
            ],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    line = json.loads(quick()[-1])
    assert line["benchmark"] == "real_search"
    assert line["figures"]["runs"] == 3
    (found,) = line["figures"]["scores"].values()
    assert found.keys() == {"auto", "plain", "optuna"}
    assert all(score > 80 for (score,) in found.values())
    assert {target["name"]: target["met"] for target in line["targets"]}[
        "runs of ours with a finished network"
    ]
    written = (tmp_path / "rows.jsonl").read_text()
    quick()
    assert (tmp_path / "rows.jsonl").read_text() == written


def row(case: Case, test: float | None = 0.9, **more: Any) -> tuple[Case, dict[str, Any]]:
    counts = {"validation": test, "whole": test is not None, "finished": 3, "begun": 9, "took": 1.0}
    return case, {"status": DONE, "test": test, **counts, "network": "", "note": "", **more}


def test_a_run_is_appended_once_and_is_there_in_the_next_process(tmp_path: Path) -> None:
    case = Case("digits", 200.0, 0, "auto")
    Rows(tmp_path / "rows").append(*row(case))
    again = Rows(tmp_path / "rows")
    assert again.has(case)
    assert not again.has(Case("digits", 800.0, 0, "auto"))
    with pytest.raises(ValueError, match="there already"):
        again.append(*row(case, 0.5))
    assert len(Rows(tmp_path / "rows").rows) == 1


def test_a_run_that_lacked_a_package_is_tried_again(tmp_path: Path) -> None:
    case = Case("digits", 200.0, 0, "neps")
    rows = Rows(tmp_path / "rows")
    rows.append(case, {"status": LACKING, "reason": "the package neps is not installed"})
    assert not rows.has(case)
    rows.append(*row(case))
    assert rows.has(case)


def test_a_line_that_was_cut_off_is_no_run(tmp_path: Path) -> None:
    first, second = (Case("digits", 200.0, seed, "auto") for seed in (0, 1))
    Rows(tmp_path / "rows").append(*row(first))
    with (tmp_path / "rows").open("a") as file:
        file.write('{"problem": "dig')
    rows = Rows(tmp_path / "rows")
    assert (rows.has(first), rows.has(second)) == (True, False)
    rows.append(*row(second))
    assert len(Rows(tmp_path / "rows").rows) == 2


def test_each_seed_has_each_case_once_and_longer_budgets_the_problems_that_need_them() -> None:
    found = cases(options(["--seeds", "0,1"]))
    assert len(found) == len(set(found)) == 2 * len(RUN) * (len(SHORT) + len(LONG))
    assert {case.problem for case in found if case.seconds == 800} == set(LONG)
    assert [case.seed for case in found] == sorted(case.seed for case in found)
    methods = [case.method for case in found]
    assert methods[: len(RUN)] != methods[len(RUN) : 2 * len(RUN)]  # shuffled
    assert found == cases(options(["--seeds", "0,1"]))


def test_holm_adjusts_the_smallest_p_the_most() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_paired_difference_has_students_interval() -> None:
    found = difference({0: 91.0, 1: 93.0, 2: 92.0, 5: 1.0}, {0: 90.0, 1: 91.0, 2: 89.0, 7: 1.0})
    assert found is not None
    assert (found.n, found.mean) == (3, pytest.approx(2.0))
    half = 4.302653 / math.sqrt(3)  # of Student's t with 2 degrees of freedom
    assert (found.low, found.high) == (pytest.approx(2 - half), pytest.approx(2 + half))
    assert found.lower == pytest.approx(2 - 2.919986 / math.sqrt(3))
    assert found.p_above(found.lower) == pytest.approx(0.05)
    assert difference({0: 1.0}, {1: 1.0}) is None
    lone = difference({0: 1.0}, {0: 0.0})
    assert lone is not None
    assert (lone.low, lone.p_above(-0.5)) == (-math.inf, 1.0)


def scored(problems: int, ours: float, other: float) -> list[dict[str, Any]]:
    found = []
    for place in range(problems):
        for method, test in (("auto", ours), ("optuna", other)):
            for seed in (0, 1):
                case, values = row(
                    Case(f"p{place}", 200.0, seed, method), test + 0.001 * place * (ours - other)
                )
                found.append({**vars(case), **values})
    return found


def test_wilcoxon_over_problems_is_exact() -> None:
    scores = scores_of(scored(8, 0.9, 0.8))
    p, n = wilcoxon(scores, [*scores], "auto", "optuna")
    assert (p, n) == (pytest.approx(2 / 2**8), 8)
    even = scores_of(scored(8, 0.9, 0.9))
    assert wilcoxon(even, [*even], "auto", "optuna") == (None, 8)


def test_ranks_are_shared_by_ties_and_who_has_nothing_is_last() -> None:
    scores = scores_of(scored(2, 0.9, 0.9))
    assert mean_ranks(scores, [*scores], ["auto", "optuna", "plain"]) == {
        "auto": 1.5,
        "optuna": 1.5,
        "plain": 3,
    }


def test_who_hands_over_no_network_has_none_of_a_hundred_points() -> None:
    case, values = row(Case("p", 200.0, 0, "auto"), None)
    assert scores_of([{**vars(case), **values}]) == {("p", 200.0): {"auto": {0: 0.0}}}


def test_the_tables_say_what_was_not_run_and_what_failed() -> None:
    rows = scored(8, 0.9, 0.8)
    about = {"problem": "p0", "seconds": 200.0, "seed": 0}
    rows.append(about | {"method": "neps", "status": LACKING, "reason": "the package neps is not installed"})
    rows.append(about | {"method": "ray_tune", "status": FAILED, "reason": "Traceback\nValueError: no"})
    comparison = Comparison(rows)
    legend, *_, failed = comparison.tables()
    assert ["neps", "not run: the package neps is not installed"] in [[one[0], one[2]] for one in legend[2]]
    assert failed[2] == [["ray_tune", "p0", 200.0, 0, "ValueError: no"]]
    met = {target.name: target.met for target in comparison.targets()}
    assert met["runs of ours with a finished network"]
    assert met["200 s: better than Optuna, exact Wilcoxon, p"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "snips" in name else name for name in PROBLEMS]
)
def test_each_seed_draws_the_splits_of_a_problem_anew(name: str) -> None:
    first, again, other = (draw_of(name)(seed) for seed in (0, 0, 1))
    source = next(iter(first.signature.inputs))
    assert (first.name, main_score(first)) == (name, main_score(other))
    assert not first.warnings()
    for part in PARTS:
        one, same, another = (getattr(problem, part).inputs[source] for problem in (first, again, other))
        assert torch.equal(one, same)
        assert one.shape == another.shape
        assert not torch.equal(one, another)


def test_no_hand_is_in_two_splits_of_the_drawn_characters() -> None:
    problem = draw_of("omniglot_both")(3)
    sizes = {part: len(getattr(problem, part)) for part in PARTS}
    assert sizes == {"train": 11 * 242, "validation": 3 * 242, "test": 6 * 242}
    # each drawer has drawn each character once
    for part, drawers in (("train", 11), ("validation", 3), ("test", 6)):
        assert getattr(problem, part).targets["character"].bincount().eq(drawers).all()


def test_a_problem_of_a_file_is_found_by_its_function(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from benchmarks.real_search.generated import table as mine\n")
    assert draw_of(f"{file}:mine")(2).name == "table"
    with pytest.raises(SystemExit, match=r"expected FILE\.py:FUNCTION"):
        draw_of("nowhere")


def peaked(asked: Generator[Setting, float | None, None], best: tuple[float, int]) -> list[Setting]:
    """The settings that are asked for where the score falls with the distance from the best one."""
    settings = [next(asked)]
    while len(settings) < 40:
        rate, epochs, _ = settings[-1]
        score = -abs(math.log2(rate / best[0])) - abs(math.log2(epochs / best[1]))
        settings.append(asked.send(score))
    return settings


def test_the_plain_network_is_tuned_uphill_in_rate_and_epochs_then_with_other_seeds() -> None:
    settings = peaked(tuned(0.004, 12, 0), (0.001, 48))
    rate, epochs, _ = settings[-1]
    assert (rate, epochs) == (pytest.approx(0.001), 48)
    assert len(set(settings)) == len(settings)
    assert len({setting for setting in settings if setting[2] == 0}) < 14


def small() -> tuple[Problem, Recipe]:
    problem = draw_of("digits_vectors")(0)
    return problem, Recipe(epochs=2)


def test_the_best_that_came_to_its_end_is_handed_over_and_else_the_best_of_the_others() -> None:
    problem, recipe = small()
    trainer = Trainer(problem, 1000.0, 0)
    next(trainer.values(lambda: nn.Linear(64, 10), recipe, "cut off"))
    handed = trainer.handed()
    assert (handed.whole, handed.network, handed.finished, handed.begun) == (False, "cut off", 0, 1)
    assert handed.test is not None
    lame = recipe.model_copy(update={"learning_rate": 1e-9})
    assert len([*trainer.values(lambda: nn.Linear(64, 10), lame, "lame")]) == 2
    assert trainer.handed().network == "lame"
    values = [*trainer.values(lambda: nn.Linear(64, 10), recipe, "good")]
    handed = trainer.handed()
    assert (handed.network, handed.whole, handed.finished) == ("good", True, 2)
    assert handed.validation == values[-1]


def test_no_training_goes_on_when_the_time_is_over() -> None:
    problem, recipe = small()
    trainer = Trainer(problem, 1e-9, 0)
    with pytest.raises(TimeIsOver):
        [*trainer.values(lambda: nn.Linear(64, 10), recipe)]
    assert trainer.handed().test is None


def test_a_network_that_fails_is_no_result() -> None:
    problem, recipe = small()
    trainer = Trainer(problem, 1000.0, 0)
    assert [*trainer.values(lambda: nn.Linear(3, 10), recipe)] == []
    assert (trainer.begun, trainer.finished) == (1, 0)


def test_peers_train_longer_where_there_is_much_time_and_shorter_where_there_is_little() -> None:
    assert epochs_within(100, 1, 12) == 12
    assert epochs_within(10_000, 1, 12) == 48
    assert epochs_within(1500, 1, 12) == 24
    assert epochs_within(30, 1, 12) == 10
    assert epochs_within(1, 5, 12) == 1


class Lowest:
    """Suggests the lowest or first of everything, as Optuna's trials suggest."""

    def suggest_int(self, name: str, low: int, high: int, **more: Any) -> int:
        return low

    def suggest_float(self, name: str, low: float, high: float, **more: Any) -> float:
        return low

    def suggest_categorical(self, name: str, values: list[Any]) -> Any:
        return values[0]


@pytest.mark.parametrize("name", ["digit_pairs", "omniglot_both", "snips_both", "table", "text_pairs"])
def test_typical_networks_serve_every_signature(name: str) -> None:
    problem = standardised(draw_of(name)(0))
    few = torch.arange(64)
    problem = Problem(name, problem.signature, *(getattr(problem, part).select(few) for part in PARTS))
    trainer = Trainer(problem, 1000.0, 0)
    make = drawn(Lowest(), problem.signature)
    assert len([*trainer.values(make, Recipe(epochs=1))]) == 1
    assert trainer.handed().whole


def test_every_method_is_described() -> None:
    from benchmarks.real_search.methods import WORDS

    assert WORDS.keys() == METHODS.keys()
