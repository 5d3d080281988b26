"""Reports: one file that holds all it shows, in which all is text; written once, or as a search goes on."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from recorded import EVIL, record

import nas
from nas import maximize, minimize
from nas.escaping import for_json
from nas.files import write_file
from nas.records import Trial
from nas.reports.content import MOST_CURVES, MOST_POINTS, content
from nas.reports.page import SCRIPTS, page
from nas.reports.watching import watch
from nas.store.store import Store
from search_spaces.errors import StoreError, UnknownNameError
from workers.executor import Card


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "nas.db", create=True) as opened:
        yield opened


def shown(text: str) -> dict[str, Any]:
    """The data in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.mark.slow
def test_a_page_is_one_file_that_names_no_other_place(store: Store) -> None:
    record(store, 30)
    text = page(content(store))
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE)))
    assert addresses <= {"http://www.w3.org"}  # the name of SVG, which nobody opens
    assert not re.search(r"<(?:link|img|iframe|object)[^>]+(?:href|src)=(?!\"data:)", text)
    assert text.count("<script") == 2
    for name in SCRIPTS:
        assert name not in text


def test_nothing_from_the_store_is_markup(store: Store) -> None:
    evil = f"</script>{EVIL}<!-- \u2028"
    record(store, 30, name=evil)
    text = page(content(store))
    assert EVIL not in text
    assert text.count("</script>") == 2
    assert shown(text)["search"]["name"] == evil.replace("\u2028", "\\u2028")  # which is seen


def test_escaped_json_is_the_same_json() -> None:
    values = {"a": "</script><!--", "b": "& \\u2028 é 😀"}
    text = for_json(json.dumps(values))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == values


def test_the_content_has_the_leaderboard_by_column_in_its_order(store: Store) -> None:
    record(store, 40)
    frame = nas.leaderboard(store)
    found = content(store)
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["number"]["values"] == list(frame["number"])
    ids = columns["id"]
    assert [ids["labels"][code] for code in ids["values"]] == list(frame["id"])
    assert columns["accuracy"]["values"][:36] == pytest.approx(list(frame["accuracy"][:36]), rel=1e-6)
    decisions = {column["name"]: column for column in found["decisions"]}
    by_number = {trial.number: trial.decisions for trial in store.trials(1)}
    norm = decisions["normalisation"]
    assert [norm["labels"][code] for code in norm["values"]] == [
        by_number[number]["normalisation"] for number in frame["number"]
    ]
    assert decisions["1.1.dropout"]["values"] == [by_number[n].get("1.1.dropout") for n in frame["number"]]


def test_the_content_says_how_the_search_went(store: Store) -> None:
    record(store, 60, objectives=[maximize("accuracy"), minimize("num_params")])
    found = content(store)
    assert found["counts"] == {"complete": 36, "paused": 18, "failed": 6}
    assert found["failures"] == [
        {"status": "failed", "reason": "out_of_memory", "count": 6, "message": f"{EVIL} & more"}
    ]
    assert found["plan"] == [
        {"seconds": 2.5, "part": part, "reason": f"{EVIL} & why"} for part in ("epochs", "controller")
    ]
    assert found["usage"]["workers"] == 2
    assert found["usage"]["busy"] == pytest.approx(0.8)
    assert found["progress"][0]["trials"][-1] == 60
    ended = {line["ended"] for line in found["curves"]["lines"]}
    assert ended == {"complete", "stopped", "failed"}
    assert found["front"]
    assert found["hypervolume"] > 0
    assert found["importance"]["decisions"][0]["path"] == "1.0.out_features"
    assert "Dense(" in found["drawings"][0]["text"]


def test_the_content_has_what_ran_and_what_the_cards_did(store: Store) -> None:
    search = record(store, 20)
    found = content(store)
    columns = {column["name"]: column for column in found["columns"]}
    assert set(columns["precision"]["labels"]) == {"bfloat16", "float32"}
    assert "deterministic" not in columns  # nobody knows
    assert not columns["device"]["shown"]
    assert found["cards"]["of"] == 2
    busy, idle = found["cards"]["cards"]
    assert (busy["id"], busy["name"], busy["trials"], busy["room"]) == ("GPU-0", EVIL, 3, 4)
    assert (busy["busy"], busy["full"]) == (0.9, 0.375)
    assert busy["over_time"] == {"at": [*range(10, 101, 10)], "busy": [0.9] * 10, "full": [0.375] * 10}
    assert (idle["busy"], idle["full"], idle["memory_total"]) == (None, None, None)
    assert idle["over_time"]["busy"] == [None] * 10
    with store.writing(search.id) as writing:
        for step in range(11, 3000):
            writing.cards(10.0 * step, [Card("GPU-0", EVIL, "node", 3, 4, step % 2)])
    busy = content(store)["cards"]["cards"][0]
    assert len(busy["over_time"]["at"]) <= MOST_POINTS
    assert busy["over_time"]["busy"][-2] == 0.5  # the mean of two


def test_progress_is_shown_beside_a_random_search_on_the_same_data(store: Store) -> None:
    record(store, 10, name="random", controller="random")
    record(store, 10, name="other objective", controller="random", objectives=[minimize("loss")])
    record(store, 20, name="mine")
    assert [line["name"] for line in content(store, "mine")["progress"]] == ["mine", "random"]
    assert [line["name"] for line in content(store, "random")["progress"]] == ["random"]
    beside = content(store, "mine", beside="other objective")["progress"]
    assert [line["name"] for line in beside] == ["mine", "other objective"]


def test_a_search_without_any_trial_has_a_report(store: Store) -> None:
    record(store, 0)
    found = shown(page(content(store)))
    assert found["columns"] == found["drawings"] == []


def test_numbers_that_are_not_finite_are_left_out(store: Store) -> None:
    search = record(store, 12)
    odd = {"accuracy": float("nan"), "loss": float("inf")}
    with store.writing(search.id) as writing:
        writing.add(Trial(99, "f" * 16, {"1.times": 1}, "complete", metrics=odd, told_step=99, seconds=1.0))
    found = shown(page(content(store)))
    columns = {column["name"]: column["values"] for column in found["columns"]}
    row = columns["number"].index(99)
    assert columns["accuracy"][row] is None
    assert columns["loss"][row] is None


def test_of_many_trials_some_curves_are_shown_the_best_among_them(store: Store) -> None:
    record(store, 600, curves=500)  # of the others none were reported
    curves = content(store)["curves"]
    assert MOST_CURVES * 0.7 < len(curves["lines"]) <= MOST_CURVES
    assert curves["of"] == 500
    numbers = next(column["values"] for column in content(store)["columns"] if column["name"] == "number")
    best = [row for row, number in enumerate(numbers) if number < 500][: MOST_CURVES // 2]
    assert {line["row"] for line in curves["lines"]} >= set(best)


def test_of_more_trials_than_a_page_holds_the_best_are_listed_and_all_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 100)
    whole = content(store)
    monkeypatch.setattr("nas.reports.content.MOST_ROWS", 30)
    found = content(store)
    assert found["left_out"] == 70
    assert whole["left_out"] == 0
    ids = [next(column for column in one["columns"] if column["name"] == "number") for one in (whole, found)]
    assert ids[1]["values"] == ids[0]["values"][:30]
    assert all(line["row"] < 30 for line in found["curves"]["lines"])
    for part in ("counts", "failures", "progress", "importance"):
        assert found[part] == whole[part]


def test_a_report_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "report.html"
    write_file(path, "one")
    write_file(path, "two")
    assert path.read_text() == "two"
    assert os.listdir(path.parent) == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written to"):
        write_file(tmp_path / "file" / "report.html", "three")


def test_a_report_can_be_had_by_name_from_python(store: Store, tmp_path: Path) -> None:
    record(store, 12, name="first")
    record(store, 12, name="second")
    assert nas.report(store, "first", tmp_path / "r.html") == tmp_path / "r.html"
    assert shown((tmp_path / "r.html").read_text())["search"]["name"] == "first"
    with pytest.raises(UnknownNameError, match="no search named 'third'"):
        nas.report(store, "third", tmp_path / "r.html")


def test_watching_writes_until_the_search_is_over_and_the_last_page_stays_as_it_is(
    store: Store, tmp_path: Path
) -> None:
    from nas.lease import new_driver, release

    path = tmp_path / "r.html"
    search = record(store, 12, status="running")
    driver = new_driver()
    store.claim(search.id, driver, search.stored)
    seen = []

    def sleep(seconds: float) -> None:
        assert seconds >= 5.0
        seen.append(shown(path.read_text())["reload_seconds"])
        if len(seen) == 2:
            with store.writing(search.id) as writing:
                writing.search(status="finished")

    state = watch(store, None, path, seconds=5.0, sleep=sleep)
    release(driver)
    assert state == "finished"
    assert seen == [5.0, 5.0]
    assert shown(path.read_text())["reload_seconds"] is None


def test_watching_that_is_interrupted_leaves_a_page_that_does_not_wait_for_more(
    store: Store, tmp_path: Path
) -> None:
    from nas.lease import new_driver, release

    search = record(store, 12, status="running")
    driver = new_driver()
    store.claim(search.id, driver, search.stored)

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    assert watch(store, None, tmp_path / "r.html", seconds=5.0, sleep=sleep) == "running"
    release(driver)
    assert shown((tmp_path / "r.html").read_text())["reload_seconds"] is None
