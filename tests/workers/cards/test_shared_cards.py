"""Pools on GPUs that Ray counts and that are not there: shares, packing, and what goes wrong on a card.

The workers train on the CPU. The pools are in a process of their own, see `card_scenarios`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "card_scenarios.py"

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


class Script:
    """The process with the pools."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[3])
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        # 127.0.0.1 stays what it is
        environment |= {"PYTHONPATH": root, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def play(self, scenario: str, folder: Path) -> dict[str, Any]:
        """Returns what a scenario has come to; each job has one end, exactly."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([scenario, str(folder)]), file=self.process.stdin, flush=True)
        # Ray says this and that between
        line = next(line for line in self.process.stdout if line.startswith("{"))
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer["error"]
        assert [len(ends) for ends in answer["ends"].values()] == [1] * answer["begun"]
        answer["ends"] = {int(number): ends[0] for number, ends in answer["ends"].items()}
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()


def kinds(answer: dict[str, Any]) -> set[tuple[str, int]]:
    """How the jobs of an answer have ended, and after how many attempts."""
    return {(kind, attempts) for kind, _, attempts, _ in answer["ends"].values()}


@pytest.mark.soak
def test_sixteen_workers_share_two_cards_of_an_eighth_each(script: Script, tmp_path: Path) -> None:
    answer = script.play("shares", tmp_path)
    assert answer["full"], "they never ran all at once"
    assert answer["slots"] == 32
    assert kinds(answer) == {("Finished", 1)}
    first, second = answer["cards"]
    assert first["id"] != second["id"]
    for card in (first, second):
        assert (card["trials"], card["room"]) == (8, 8)
        assert (card["busy"], card["memory"], card["memory_total"]) == (0.5, 2**30, 16 * 2**30)


@pytest.mark.soak
def test_trials_on_a_card_become_more_and_fewer_and_none_is_lost(script: Script, tmp_path: Path) -> None:
    answer = script.play("packed", tmp_path)
    assert answer["done"] == [True, True, True]
    most, less = answer["rooms"]
    assert most == 8  # of two cards, each of four times two cores
    assert less in (5, 6)  # one card has half of it
    assert answer["slots"] == [4, 16]
    ends = answer["ends"]
    kind, reason, attempts, message = ends.pop(-1)
    assert (kind, reason, attempts) == ("Failed", "out_of_memory", 2)
    assert "CUDA out of memory" in message
    assert ends[-2][:2] == ["Finished", ""]
    assert answer["lost"] == 1
    assert {kind for kind, _ in kinds(answer)} == {"Finished"}
    # the one that killed its worker, or the one before it there, whose end was not heard yet
    assert sum(attempts > 1 for _, _, attempts, _ in ends.values()) <= 1
    assert answer["after"] == [0, 0]


@pytest.mark.soak
def test_the_workers_asked_for_bound_those_of_all_cards(script: Script, tmp_path: Path) -> None:
    answer = script.play("bounded", tmp_path)
    assert answer["grown"]
    assert answer["most"] in (3, 4)  # two plans may each hold room for the third worker, which one gets
    assert answer["slots"] == 6
    assert kinds(answer) == {("Finished", 1)}


@pytest.mark.soak
def test_what_runs_out_of_memory_beside_others_is_trained_alone_once(script: Script, tmp_path: Path) -> None:
    answer = script.play("alone", tmp_path)
    ends = answer["ends"]
    assert ends.pop(100)[:3] == ["Finished", "", 2]
    assert ends.pop(101)[:3] == ["Failed", "out_of_memory", 2]
    assert ends.pop(102)[:3] == ["Failed", "out_of_memory", 1]  # of main memory, not the card's
    assert ends.pop(103)[:3] == ["Failed", "exception", 1]  # its worker is replaced, and none other
    assert answer["lost"] == 0
    assert kinds(answer) == {("Finished", 1)}


@pytest.mark.soak
def test_nothing_runs_on_the_card_beside_what_is_to_be_alone(script: Script, tmp_path: Path) -> None:
    answer = script.play("lonely", tmp_path)
    assert answer["ends"][99][:3] == ["Finished", "", 2]
    diaries = {
        name: [(card, float(moment)) for card, moment in lines] for name, lines in answer["diaries"].items()
    }
    card, _ = diaries["the one"][1]  # its first line is of the attempt beside others
    begun, ended = diaries["the one"][1][1], diaries["the one"][-1][1]
    beside = [
        (name, moment)
        for name, lines in diaries.items()
        for other, moment in lines
        if name != "the one" and other == card and begun <= moment <= ended
    ]
    assert not beside


@pytest.mark.soak
def test_a_card_that_is_gone_costs_no_trial(script: Script, tmp_path: Path) -> None:
    answer = script.play("gone", tmp_path)
    assert answer["first"] == 1
    assert answer["ends"][0] == ["Finished", "", 2, ""]
    assert answer["ends"][1][0] == "Finished"
    assert answer["lost"] > 1
    assert {kind for kind, *_ in answer["ends"].values()} == {"Finished"}


@pytest.mark.soak
def test_the_cards_of_trials_of_several_processes_are_told(script: Script, tmp_path: Path) -> None:
    answer = script.play("gang", tmp_path)
    assert kinds(answer) == {("Finished", 1)}
    first, second = answer["cards"]
    assert first["id"] != second["id"]
    assert [(card["trials"], card["room"]) for card in (first, second)] == [(1, 1)] * 2


@pytest.mark.soak
def test_cards_join_and_leave_with_their_nodes(script: Script, tmp_path: Path) -> None:
    answer = script.play("nodes_change", tmp_path)
    assert answer["done"] == [True, True]
    assert answer["slots"] == 6
    assert {kind for kind, *_ in answer["ends"].values()} == {"Finished"}


@pytest.mark.soak
def test_the_first_card_may_come_later(script: Script, tmp_path: Path) -> None:
    answer = script.play("late", tmp_path)
    assert answer["none"]
    assert answer["cards"] == 1
    assert {kind for kind, *_ in answer["ends"].values()} == {"Finished"}
