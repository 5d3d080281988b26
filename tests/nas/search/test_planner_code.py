"""The code of a controller, a fidelity and an executor of one's own counts, and all answers of a table."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas
import pytest
from scripted import Scripted

import nas
from nas import Search
from nas.identity import EXECUTOR, PLANNER, PROBLEM
from nas.search.user_code import code_of
from nas.store.store import Store
from search_spaces import Regression, Signature, Space, Vector, integer
from search_spaces.errors import SearchError
from workers.tabular import Answer, Simulated, Table

MINE = """
from controllers.base import Controller, Draft
from controllers.fidelity import SuccessiveHalving
from scripted import Scripted
from workers.tabular import Answer

ANSWERS = {number: number / 9 for number in range(10)}
SEEN = []


class Greedy(Controller):
    def __init__(self, *given, order=None, **more):
        super().__init__(*given, **more)
        self.order = order

    def _propose(self):
        drawn = [self.space.sample(self.rng) for _ in range(5)]
        return Draft(max(drawn, key=self.order or step))

    def _learn(self, proposal, outcome):
        pass


def step(architecture):
    return architecture.decisions["a"] % 7


def most(architecture):
    return architecture.decisions["a"]


def made(bonus):
    def make(space, objectives, **more):
        class Local(Greedy):
            def _propose(self):
                return Draft(super()._propose().architecture, origin=f"greedy {bonus}")

        return Local(space, objectives, **more)

    return make


class Patient(SuccessiveHalving):
    def begin(self, number):
        return super().begin(number) if number % 2 else None


class Measuring(Scripted):
    def _events_of(self, job):
        return super()._events_of(job)


def answer(architecture):
    SEEN.append(architecture.id)
    return Answer({"accuracy": ANSWERS[architecture.decisions["a"]]}, 1.0)
"""
_numbers = itertools.count()


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Writes the file of a user, after a replacement in its text, and imports it."""
    name = f"mine_{next(_numbers)}"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(old: str = "", new: str = "") -> ModuleType:
        assert old in MINE
        (tmp_path / f"{name}.py").write_text(MINE.replace(old, new) if old else MINE)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


WITH: dict[str, Callable[[ModuleType], dict[str, Any]]] = {
    "a class": lambda mine: {"controller": mine.Greedy},
    "a function": lambda mine: {"controller": mine.made(0.5)},
    "a function given": lambda mine: {"controller": partial(mine.Greedy, order=mine.most)},
    "a fidelity": lambda mine: {"controller": "random", "fidelity": mine.Patient(4, 1, 2)},
    "an executor": lambda mine: {"controller": "random", "executor": mine.Measuring()},
}  # what is given to a search, by what it is


@pytest.mark.parametrize(
    ("given", "change", "named"),
    [
        ("a class", ("% 7", "% 8"), "step"),
        ("a function", ('f"greedy {bonus}"', 'f"greedier {bonus}"'), "made.<locals>.make"),
        (
            "a function given",
            ('return architecture.decisions["a"]\n\n\ndef made', "return 3\n\n\ndef made"),
            "most",
        ),
        ("a fidelity", ("number % 2", "number % 3"), "Patient"),
        (
            "an executor",
            ("return super()._events_of(job)", "return super()._events_of(job)[-1:]"),
            "Measuring",
        ),
    ],
)
def test_a_search_goes_on_only_with_the_code_that_it_began_with(
    make: Any, mine: Any, given: str, change: tuple[str, str], named: str
) -> None:
    def search(trials: int, *changes: str) -> Search:
        return make(**WITH[given](mine(*changes)), name="mine", trials=trials)

    search(3).run()
    search(4, "return Draft(max(", "return Draft(  # drawn\n            max(").run(resume=True)
    later = search(5, *change)
    with pytest.raises(SearchError) as refused:
        later.run(resume=True)
    assert f"the code of {mine().__name__}.{named} " in str(refused.value).replace(" (and ", " ")
    planned = given != "an executor"
    assert ("it would not try the networks" in str(refused.value)) is planned
    later.run(resume=True, accept_code=True)
    with Store(later.store) as store:
        kept = store.search("mine").description
    assert kept.mixed_code is not planned  # of what network each result is, is known


def test_what_is_around_a_function_that_makes_a_controller_counts(make: Any, mine: Any) -> None:
    module = mine()
    make(module.made(0.5), name="mine", trials=2).run()
    with pytest.raises(SearchError, match="it would not try the networks that it tried"):
        make(module.made(0.6), name="mine", trials=3).run(resume=True)


def test_results_are_taken_over_whatever_has_proposed_them(make: Any, mine: Any) -> None:
    space = {"a": integer(0, 3)}
    options: dict[str, Any] = {"on": Space(space), "trials": 4, "epochs": 1}
    make(mine().Greedy, name="first", **options).run()
    second = make(mine("range(5)", "range(7)").Greedy, name="second", reuse_results=True, **options)
    assert second.run()["reason"].eq("reused").sum() == 3


def test_a_search_may_move_to_another_executor_but_results_are_that_ones_own(make: Any, mine: Any) -> None:
    options: dict[str, Any] = {"on": Space({"a": integer(0, 3)}), "epochs": 1}
    make("random", name="first", trials=2, executor=mine().Measuring(), **options).run()
    assert len(make("random", name="first", trials=4, **options).run(resume=True)) == 4
    alone = make("random", name="second", trials=4, executor=mine().Measuring(), **options)
    alone.run()
    other = make("random", name="third", trials=4, reuse_results=True, **options)
    assert other.run()["reason"].notna().sum() == 0
    same = make("random", name="fourth", trials=4, reuse_results=True, executor=mine().Measuring(), **options)
    assert same.run()["reason"].eq("reused").sum() == 3


def test_names_say_whose_code_they_are(make: Any, mine: Any) -> None:
    module = mine()
    found = make(module.Greedy, executor=module.Measuring()).description.code
    name = module.__name__
    assert {f"{PLANNER}{name}.Greedy", f"{PLANNER}{name}.step", f"{EXECUTOR}{name}.Measuring"} <= found.keys()
    assert make("evolution", executor=Simulated()).description.code == {}
    assert make(executor=Scripted()).description.code.keys() >= {EXECUTOR, f"{EXECUTOR}scripted.by_decisions"}


# -- tables ------------------------------------------------------------------------------------------------


def table(answer: Any) -> dict[str, str]:
    space = Space({"a": integer(0, 9)})
    return code_of(space, Table("mine", space, SIGNATURE, answer))


SIGNATURE = Signature({"x": Vector(1)}, {"y": Regression()})  # nothing asks for it


def test_the_answers_of_a_table_count_wherever_they_lie(mine: Any) -> None:
    frame = pandas.DataFrame({"accuracy": [0.1, 0.2], "code": ["x", "y"]}, index=["one", "two"])
    answers = {number: Answer({"accuracy": number / 1000}, 1.0) for number in range(1000)}

    def looked_up(where: Any) -> Any:
        return lambda architecture: where[architecture.id]

    for value, changes in (
        (frame, [frame.rename(index={"one": "three"}), frame.rename(columns={"code": "name"})]),
        (frame, [frame.assign(accuracy=[0.1, 0.21]), frame.assign(code=["x", "z"])]),
        (frame["accuracy"], [frame["accuracy"].rename(index={"two": "three"})]),
        (answers, [answers | {777: Answer({"accuracy": 0.777}, 2.0)}]),
    ):
        for how in (looked_up, lambda where: where.get):
            before = table(how(value))
            assert table(how(value.copy())) == before
            assert all(table(how(other)) != before for other in changes)


def test_results_of_other_tables_are_on_no_leaderboard_together(tmp_path: Any, problem: Any) -> None:
    space = Space({"a": integer(0, 9)})

    def search(name: str, answers: dict[int, float]) -> Search:
        def answer(architecture: Any) -> Answer:
            return Answer({"accuracy": answers[architecture.decisions["a"]]}, 1.0)

        known = Table("mine", space, problem.signature, answer)
        options: dict[str, Any] = {"executor": Simulated(), "store": tmp_path / "s.db", "trials": 2}
        return Search(space, known, "random", name=name, **options)

    for name, last in (("one", 0.9), ("same", 0.9), ("other", 0.95)):
        search(name, {number: number / 10 for number in range(9)} | {9: last}).run()
    assert len(nas.leaderboard(tmp_path / "s.db", ["one", "same"])) == 4
    with pytest.raises(SearchError, match="'one' and 'other' do not compare"):
        nas.leaderboard(tmp_path / "s.db", ["one", "other"])


def test_the_answers_of_a_table_count_that_its_module_has_read(mine: Any) -> None:
    module = mine()
    before = table(module.answer)
    assert PROBLEM in before
    module.answer(Space({"a": integer(0, 9)}).plain())
    assert len(module.SEEN) == 1  # which a function fills, so that it is no data
    assert table(module.answer) == before
    module.ANSWERS[7] = 0.5
    assert table(module.answer) != before
