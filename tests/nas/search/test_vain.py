"""Searches that nothing comes out of: they end early, say why, and the command ends with exit code 1."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scripted import Scripted
from stored import trials
from torch import Tensor, nn

import nas.search.arguments
from controllers import RandomSearch
from controllers.base import Draft
from nas import Search, at_least, at_most
from nas.commands.output.network import print_trial
from nas.commands.output.status import search_lines
from nas.description import Description
from nas.records import Trial
from nas.reports.content import content
from nas.results.causes import cause_of, causes, vain
from nas.search.notices import held_back
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces import Space, integer, layer, sequential
from search_spaces.errors import SearchError, UnmetLimitsError
from workers.job import Failed, Job
from workers.problems import Problem

Outcome = dict[str, float] | Failed
SCRIPT = Path(__file__).parent.parent / "commands" / "scripts" / "failing_search.py"


def failing(job: Job) -> Failed:
    """The same failure each time, but for its numbers."""
    message = (
        f"RuntimeError: {job.number} MiB asked for at 0x7f{job.number:04x}, loss nan, shape (16x{job.number})"
    )
    return Failed(job.number, "exception", message, "Traceback\n  the end", False, 0.1)


def otherwise(outcomes: Callable[[int], Outcome | None]) -> Callable[[Job], Outcome]:
    """An outcome by the number of the trial; None: that of `failing`."""
    return lambda job: outcomes(job.number) or failing(job)


def record_of(search: Search) -> SearchRecord:
    with Store(search.store) as store:
        return store.search(search.name)


# -- failures in a row --------------------------------------------------------------------------------------


def test_a_search_in_which_all_fail_for_one_reason_stops_early_and_says_so(make: Any) -> None:
    search = make(trials=100, executor=Scripted(failing))
    board = search.run()
    assert list(board["status"]) == ["failed"] * 10
    record = record_of(search)
    assert record.status == "stopped"
    assert record.reason == search.reason
    assert record.reason is not None
    assert record.reason.startswith(
        "10 trials in a row failed for one reason and none was trained: exception: Runtime"
    )


def test_resumed_it_counts_anew(make: Any) -> None:
    search = make(trials=100, failures=4, executor=Scripted(failing))
    search.run()
    assert len(search.run(resume=True)) == 8
    search.executor = Scripted()
    assert list(search.run(resume=True)["status"]) == ["complete"] * 92 + ["failed"] * 8
    assert record_of(search).reason == "100 trials are done"


@pytest.mark.parametrize("off", [0, None])
def test_it_can_be_told_to_go_on(make: Any, off: int | None) -> None:
    search = make(trials=25, failures=off, executor=Scripted(failing))
    assert len(search.run()) == 25
    assert record_of(search).status == "finished"


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "many"])
@pytest.mark.parametrize("option", ["failures", "rejections"])
def test_what_is_no_such_number_is_refused(make: Any, option: str, wrong: Any) -> None:
    with pytest.raises(SearchError, match=f"^{option}: expected a whole number of at least 0, got"):
        make(**{option: wrong})


def test_failures_for_several_reasons_do_not_stop_it(make: Any) -> None:
    def mixed(number: int) -> Outcome | None:
        return Failed(number, "timeout", "not finished", "", False, 1.0) if number % 9 == 8 else None

    search = make(trials=30, executor=Scripted(otherwise(mixed)))
    assert len(search.run()) == 30


@pytest.mark.parametrize("trained", [0, 9])
def test_failures_beside_a_network_that_was_trained_do_not_stop_it(make: Any, trained: int) -> None:
    one = {"loss": 0.5, "accuracy": 0.5}
    search = make(trials=40, executor=Scripted(otherwise(lambda number: one if number == trained else None)))
    assert list(search.run()["status"]) == ["complete"] + ["failed"] * 39
    longer = make(trials=60, name=search.name, executor=Scripted(failing))
    assert len(longer.run(resume=True)) == 60  # what an earlier driver has trained counts, too


def test_what_is_in_training_when_it_stops_is_trained_when_it_goes_on(make: Any) -> None:
    search = make("random", trials=40, failures=6, executor=Scripted(failing, slots=4))
    search.run()
    assert [trial.status for trial in trials(search)] == ["failed"] * 6 + ["interrupted"] * 3
    search.executor = Scripted(slots=4)
    search.run(resume=True)
    assert [trial.status for trial in trials(search)] == ["failed"] * 6 + ["complete"] * 34


def test_a_network_that_fails_again_because_it_is_proposed_again_is_not_counted(make: Any) -> None:
    search = make(Repeating, trials=30, failures=3, executor=Scripted(failing))
    search.run()
    assert record_of(search).reason == "30 trials are done"


class Repeating(RandomSearch):
    """Proposes the same two networks again and again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, repeats=True)
        self.two = [self.space.plain(), self.space.sample(self.rng)]

    def _propose(self) -> Draft:
        return Draft(self.two[self.num_asked % 2])


class Faulty(nn.Module):
    """Fails in one of the ways in which networks fail."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        if self.fault == "build":
            return x @ torch.zeros(len(x) + 1, 2, device=x.device)
        if x.is_meta or not self.training:
            return x
        if self.fault == "exception":
            raise ArithmeticError(f"no such thing as {x.shape[1]}")
        if self.fault == "out_of_memory":
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {x.shape[1]}.00 GiB")
        return x * float("nan")


@pytest.mark.parametrize("fault", ["exception", "build", "not_finite", "out_of_memory"])
def test_networks_that_really_fail_stop_it(
    problem: Problem, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    model = sequential(layer(nn.Linear, out_features=integer(4, 900)), layer(Faulty, fault=fault))
    space = Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16}})
    search = Search(space, problem, "random", failures=3, executor="inline", store=tmp_path / "s.db")
    board = search.run()
    assert list(board["reason"]) == [fault] * 3
    assert f"none was trained: {fault}: " in search.reason
    (said,) = [one.getMessage() for one in caplog.records if one.name == "nas.search.notices"]
    assert "no network came out of search larger-random-1: 3 failed" in said
    if fault != "not_finite":  # nothing was raised there
        assert "test_vain.py, line " in said.splitlines()[0]
        assert "in forward" in said.splitlines()[0]
        assert said.splitlines()[-1].startswith("    ")


def test_networks_that_cannot_be_built_while_their_costs_are_counted_stop_it(
    problem: Problem, tmp_path: Path
) -> None:
    model = sequential(layer(nn.Linear, out_features=integer(4, 900)), layer(Faulty, fault="build"))
    limit = at_most("num_params", 10**6)
    search = Search(Space(model), problem, "random", limits=limit, executor="inline", store=tmp_path / "s.db")
    search.run()
    assert "10 trials in a row" in search.reason
    assert "test_vain.py, line " in search.reason
    assert all("in forward" in (trial.traceback or "") for trial in trials(search))


# -- causes -------------------------------------------------------------------------------------------------


def trial(message: str | None, reason: str = "exception") -> Trial:
    return Trial(0, "a" * 16, {}, "failed", reason=reason, message=message)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Conv at 0x7f3a> is 3 wide", "<Conv at 0x1b> is 12 wide"),
        ("shapes (16x2 and 3x4)", "shapes (16x200 and 31x4)"),
        ("tried to allocate 20.00 MiB", "tried to allocate 1.25 GiB"),
        ("loss became nan", "loss became inf"),
        ("shape (1, 2)", "shape (1, 2, 3)"),
        ("1e-05 is too small", "-3 is too small"),
        ("12345678.5 is too large", "3e9 is too large"),
        (
            "actor_id: 946e4867cff6dd22025efd8901000000 died",
            "actor_id: 208a21940761acc5bcfc3bd401000000 died",
        ),
        ("in eb32a8ff-e2a5-45c8-9c1b-9160dfc41dd0", "in 6c69a7ba-b704-4e61-8977-d39172d9cc3d"),
    ],
)
def test_messages_that_differ_in_numbers_alone_have_one_cause(one: str, other: str) -> None:
    assert cause_of(trial(one)) == cause_of(trial(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trial("KeyError: 'a'"), trial("KeyError: 'b'")),
        (trial("no"), trial("no", "timeout")),
        (trial("finance"), trial("final")),
        (trial("fabaceae"), trial("deadbeef")),
        (trial(None), trial("no")),
    ],
)
def test_what_is_said_in_other_words_has_another_cause(one: Trial, other: Trial) -> None:
    assert cause_of(one) != cause_of(other)


def test_the_commonest_cause_comes_first_with_the_end_of_its_traceback() -> None:
    rare = trial("rare")
    often = Trial(
        1, "b" * 16, {}, "failed", reason="exception", message="7", traceback="\n".join("abcdefghijklmnop")
    )
    found = causes([rare, often, often])
    assert [(one.count, one.words) for one in found] == [(2, "exception: 7"), (1, "exception: rare")]
    assert list(found[0].traceback) == list("efghijklmnop")
    assert list(found[1].traceback) == []


def test_a_search_that_was_in_vain_says_the_three_commonest_causes(make: Any) -> None:
    def various(job: Job) -> Failed:
        words = ["often", "often", "often", "less", "less", "seldom", "seldom", "rare"][job.number % 8]
        return Failed(job.number, "exception", words, f"Traceback\n{words}!", False, 0.1)

    search = make(trials=16, executor=Scripted(various))
    search.run()
    with Store(search.store) as store:
        found = vain(store, store.search())
    assert found is not None
    assert found.words.endswith("16 failed (exception: often)")
    assert [line for line in found.lines if not line.startswith(" ")] == [
        "6 failed, exception: often", "4 failed, exception: less", "4 failed, exception: seldom"
    ]  # fmt: skip
    assert found.lines[1:3] == ["    Traceback", "    often!"]


def test_one_network_is_enough_for_a_search_not_to_be_in_vain(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"loss": 0.5, "accuracy": 0.5}
    search = make(trials=5, executor=Scripted(otherwise(lambda number: good if number == 3 else None)))
    search.run()
    assert caplog.records == []


def test_values_that_are_no_numbers_are_none(make: Any) -> None:
    search = make(trials=3, executor=Scripted(lambda job: {"loss": float("nan"), "accuracy": float("nan")}))
    search.run()
    with Store(search.store) as store:
        found = vain(store, store.search())
    assert found is not None
    assert found.words.endswith("3 have no finite accuracy after their training")


# -- limits -------------------------------------------------------------------------------------------------

WIDE = sequential(layer(nn.Linear, out_features=integer(10, 10**6)))
SMALL = sequential(layer(nn.Linear, out_features=integer(2, 9)))


def test_a_search_of_networks_over_a_limit_ends_after_so_many_with_the_nearest(make: Any) -> None:
    search = make(on=WIDE, limits=at_most("num_params", 1), trials=3, rejections=25)
    with pytest.raises(UnmetLimitsError, match=r"^the last 25 proposals all broke a limit") as ended:
        search.run()
    found = min(trials(search), key=lambda one: one.metrics["num_params"])
    nearest = f"{found.architecture_id[:8]} with num_params {int(found.metrics['num_params']):,}"
    assert str(ended.value).endswith(f"the nearest network is {nearest}")
    assert record_of(search).status == "stopped"


@pytest.mark.parametrize("controller", ["random", "evolution", "local"])
def test_of_a_small_space_every_network_is_looked_at_and_none_twice(make: Any, controller: str) -> None:
    search = make(controller, on=SMALL, limits=at_most("num_params", 1), trials=3)
    for resume in (False, True):
        with pytest.raises(
            UnmetLimitsError, match=r"^every network of the space breaks a limit .*num_params 12$"
        ):
            search.run(resume=resume)
        assert [one.status for one in trials(search)] == ["infeasible"] * 8


def test_a_controller_that_repeats_itself_does_not_go_on_for_ever(make: Any) -> None:
    search = make(Repeating, on=SMALL, limits=at_most("num_params", 1), target=1.0, rejections=40)
    with pytest.raises(UnmetLimitsError, match="the last 40 proposals"):
        search.run()
    assert {one.status for one in trials(search)} == {"infeasible"}


def test_without_that_end_it_goes_on_to_another(make: Any) -> None:
    search = make(on=WIDE, limits=at_most("num_params", 1), seconds=0.3, rejections=0)
    search.run()
    assert search.reason == "0.3 seconds are over"
    with Store(search.store) as store:
        found = vain(store, store.search())
    assert found is not None
    assert (
        "broke a limit before any training; the limits: num_params <= 1; the nearest network is"
        in found.words
    )


def test_a_limit_that_no_training_meets_is_told_at_the_end(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    search = make(trials=7, limits=at_least("accuracy", 1.5))
    board = search.run()
    best = board.iloc[0]
    (said,) = [one.getMessage() for one in caplog.records]
    assert "7 broke a limit after their training; the limits: accuracy >= 1.5" in said
    assert said.endswith(f"the nearest network is {best['id'][:8]} with accuracy {best['accuracy']:.4f}")


def test_a_limit_that_some_networks_meet_is_no_such_case(make: Any) -> None:
    search = make(on=SMALL, limits=at_most("num_params", 18), trials=50, rejections=6)
    assert set(search.run()["status"]) == {"complete"}
    assert search.reason == "every network of the space has been tried"


# -- the command --------------------------------------------------------------------------------------------


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.soak
def test_the_command_ends_with_the_reason_the_traceback_and_exit_code_1(tmp_path: Path) -> None:
    ended = command(tmp_path, "search", str(SCRIPT), "--store", "s.db")
    assert ended.returncode == 1
    place = f"{SCRIPT}, line 21, in forward"
    last = ended.stdout.splitlines()[-15:]
    assert any(line.startswith("10 failed, exception: ") and line.endswith(f"({place})") for line in last)
    assert "NoSuchThingError: what is (16, " in last[-1]
    assert "nas resume" in ended.stdout
    (error,) = ended.stderr.splitlines()
    assert error.startswith("error: no network came out of search failing: 10 failed (exception: ")
    assert place in error
    again = command(tmp_path, "resume", str(SCRIPT), "--name", "failing", "--store", "s.db")
    assert again.returncode == 1
    assert "20 failed, exception: " in again.stdout


@pytest.mark.slow
def test_the_command_says_in_one_line_that_no_network_is_within_a_limit(tmp_path: Path) -> None:
    options = [
        "--space",
        "mlp",
        "--executor",
        "inline",
        "--rejections",
        "20",
        "--without-plain",
        "--controller",
        "evolution",
        "--store",
        "s.db",
    ]
    ended = command(tmp_path, "search", "--limit", "num_params<=1", *options)
    assert ended.returncode == 1
    (error,) = ended.stderr.splitlines()
    assert error.startswith("error: the last 20 proposals all broke a limit (num_params <= 1)")
    assert "the nearest network is" in error
    assert "Traceback" not in ended.stdout


# -- warnings -----------------------------------------------------------------------------------------------

WARNINGS = ("the validation split has 12 examples: fewer than 30 tell little", "<b>two</b>")


@pytest.fixture
def warned(make: Any, monkeypatch: pytest.MonkeyPatch) -> Search:
    """A search of 3 trials whose data are to be watched for."""
    monkeypatch.setattr(nas.search.arguments, "warnings_of", lambda problem: WARNINGS)
    found: Search = make(trials=3, name="warned")
    return found


def test_warnings_are_said_when_a_search_begins_and_not_again(
    warned: Search, caplog: pytest.LogCaptureFixture
) -> None:
    warned.run()
    said = [one.getMessage() for one in caplog.records]
    assert said == [f"larger: {warning}" for warning in WARNINGS]
    warned.extend(trials=2).run(resume=True)
    assert len(caplog.records) == len(WARNINGS)


def test_warnings_are_kept_and_shown_wherever_the_search_is(
    warned: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    board = warned.run()
    with Store(warned.store) as store:
        record = store.search()
        assert record.description.warnings == WARNINGS
        assert [text for word, text in search_lines(store, None) if word == "warning"] == list(WARNINGS)
        assert content(store)["search"]["warnings"] == list(WARNINGS)
        print_trial(store, board["id"][0], None)
    assert f"warning: {WARNINGS[0]}\nwarning: {WARNINGS[1]}\n" in capsys.readouterr().out


def test_warnings_make_no_other_search(warned: Search, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    warned.run()
    monkeypatch.undo()
    assert len(make(trials=5, name="warned").run(resume=True)) == 5
    assert Description.from_dict(record_of(warned).stored).warnings == ()


def test_a_logger_that_is_held_back_speaks_again(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    with held_back():
        make(trials=3, executor=Scripted(failing)).run()
    assert caplog.records == []
    assert not logging.getLogger("nas.search.notices").disabled
