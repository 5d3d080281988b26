"""The store gives back what it was given, on SQLite and PostgreSQL, and says clearly what it cannot do."""

import math
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import processes
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas.lease import new_driver, release
from nas.records import EpochReport, Start, Trial
from nas.store.store import Store
from search_spaces.errors import SearchError, StoreError, UnknownNameError
from workers.executor import Card, Usage

TRIALS = [Trial(number, f"{number:016x}", {"a": number}, "running") for number in range(3)]

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
FLOAT = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)  # -0.0 is 0.0 to SQLite
METRICS = st.dictionaries(TEXT, st.one_of(st.floats(), st.integers(-(2**53), 2**53)), max_size=4)
VALUE = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), FLOAT, TEXT)
TRIAL = st.builds(
    Trial,
    number=st.integers(0, 2**31 - 1),
    architecture_id=st.text("0123456789abcdef", min_size=16, max_size=16),
    decisions=st.dictionaries(TEXT, VALUE, max_size=5),
    status=st.sampled_from(["running", "complete", "failed", "infeasible", "repeated", "interrupted"]),
    origin=TEXT,
    parents=st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), max_size=2).map(tuple),
    asked_step=st.integers(0, 2**31 - 1),
    told_step=st.none() | st.integers(0, 2**31 - 1),
    reason=st.none() | TEXT,
    message=st.none() | TEXT,
    traceback=st.none() | TEXT,
    score=st.none() | FLOAT,
    metrics=METRICS,
    test_metrics=METRICS,
    epochs=st.none() | st.integers(0, 10**6),
    seconds=st.none() | FLOAT,
    started_at=st.none() | FLOAT,
)
REPORT = st.builds(
    EpochReport,
    epoch=st.integers(1, 10**6),
    metrics=METRICS,
    train_loss=st.none() | FLOAT,
    seconds=FLOAT,
    samples_per_second=st.none() | FLOAT,
)


@pytest.fixture
def store(url: str) -> Any:
    with Store(url, create=True) as opened:
        yield opened


def same(first: Any, second: Any) -> bool:
    """Equal, where NaN is like NaN."""
    return repr(first) == repr(second)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trials=st.lists(TRIAL, max_size=4, unique_by=lambda t: t.number), report=REPORT, data=st.binary())
def test_what_is_recorded_is_read_back_unchanged(
    store: Store, trials: list[Trial], report: EpochReport, data: bytes
) -> None:
    search = store.create_search(store.free_name("search"), {"any": ["thing", 1, None]})
    with store.writing(search.id) as writing:
        for trial in trials:
            writing.add(trial)
            writing.report(trial.number, report)
            writing.keep_weights(trial.number, data)
    expected = sorted(trials, key=lambda trial: trial.number)
    assert same(store.trials(search.id), expected)
    for trial in trials:
        assert same(store.reports(search.id, trial.number), [report])
        assert store.weights(search.id, trial.number) == data
    assert store.kept_weights(search.id) == {trial.number for trial in trials}
    assert store.search(search.name).stored == {"any": ["thing", 1, None]}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TRIAL, after=TRIAL)
def test_a_trial_is_updated_as_a_whole(store: Store, before: Trial, after: Trial) -> None:
    search = store.create_search(store.free_name("search"), {})
    fixed = ("number", "architecture_id", "decisions", "origin", "parents", "asked_step")
    after = Trial(**(vars(after) | {name: getattr(before, name) for name in fixed}))
    with store.writing(search.id) as writing:
        writing.add(before)
    with store.writing(search.id) as writing:
        writing.update(after)
    assert same(store.trials(search.id), [after])


def test_text_that_a_database_cannot_hold_is_recorded_as_well_as_can_be(store: Store) -> None:
    search = store.create_search("search", {})
    with store.writing(search.id) as writing:
        writing.add(Trial(0, "0" * 16, {"key\0": "\0"}, "failed", message="a\0b\ud800c", traceback="\udfff"))
    (trial,) = store.trials(search.id)
    assert trial.decisions == {"key\0": "\0"}
    assert (trial.message, trial.traceback) == ("a\N{REPLACEMENT CHARACTER}b?c", "?")


def test_numbers_that_are_not_finite_keep_their_meaning_in_metrics(store: Store) -> None:
    search = store.create_search("search", {})
    metrics = {"loss": math.inf, "accuracy": math.nan, "rmse": -math.inf}
    with store.writing(search.id) as writing:
        writing.add(Trial(0, "0" * 16, {}, "complete", metrics=metrics, score=math.nan, seconds=math.inf))
    (trial,) = store.trials(search.id)
    assert same(trial.metrics, metrics)
    assert (trial.score, trial.seconds) == (None, None)


def test_a_block_that_is_left_by_an_error_records_nothing(store: Store) -> None:
    search = store.create_search("search", {})
    with pytest.raises(ZeroDivisionError), store.writing(search.id) as writing:  # noqa: PT012
        writing.add(Trial(0, "0" * 16, {}, "running"))
        raise ZeroDivisionError
    assert store.trials(search.id) == []


def test_a_record_that_cannot_be_written_leaves_the_others_of_its_block_unwritten(store: Store) -> None:
    search = store.create_search("search", {})
    with pytest.raises(StoreError), store.writing(search.id) as writing:  # noqa: PT012
        writing.add(Trial(0, "0" * 16, {}, "running"))
        writing.report(1, EpochReport(1, {}, None, 0.0, None))  # of a trial that is not there
    assert store.trials(search.id) == []


def test_weights_that_are_dropped_in_the_block_that_keeps_them_are_not_there(store: Store) -> None:
    search = store.create_search("search", {})
    with store.writing(search.id) as writing:
        for number in (0, 1):
            writing.add(Trial(number, "0" * 16, {}, "complete"))
            writing.keep_weights(number, b"weights")
        writing.drop_weights(0)
    assert store.kept_weights(search.id) == {1}
    with store.writing(search.id) as writing:
        writing.drop_weights(1)
    assert store.weights(search.id, 1) is None


def test_a_search_is_found_by_name_by_number_or_as_the_latest(store: Store) -> None:
    first = store.create_search("2", {})
    second = store.create_search("naïve 🔍 'search'", {})
    third = store.create_search("third", {})
    assert store.search().id == third.id
    assert store.search("naïve 🔍 'search'").id == second.id
    assert store.search("2").id == first.id, "a name counts before a number"
    assert store.search(2).id == second.id
    assert store.search("3").id == third.id


@pytest.mark.parametrize(
    "name", ["third", "", "7", 7, 10**30, "9" * 30, "-1", "²", "x'); DROP TABLE nas_trials"]
)
def test_a_search_that_is_not_there_is_named_in_the_error(store: Store, name: Any) -> None:
    store.create_search("first", {})
    with pytest.raises(UnknownNameError, match="first"):
        store.search(name)


def test_two_searches_cannot_have_the_same_name(store: Store) -> None:
    store.create_search("mine", {})
    with pytest.raises(StoreError, match="'mine' already"):
        store.create_search("mine", {})


def test_a_search_that_is_driven_cannot_be_claimed_until_it_is_left(store: Store) -> None:
    first, second = new_driver(), new_driver()
    search = store.create_search("search", {}, first)
    with pytest.raises(SearchError, match="driven already, by process"):
        store.claim(search.id, second, {})
    release(first)
    store.claim(search.id, second, {})
    release(second)


def test_a_driver_that_lost_its_search_can_record_nothing_more(store: Store) -> None:
    first, second = new_driver(), new_driver()
    search = store.create_search("search", {}, first)
    release(first)
    store.claim(search.id, second, {})
    late = store.writing(search.id, first)
    with pytest.raises(SearchError, match="driven by another process"), late as writing:  # noqa: PT012
        writing.add(Trial(0, "0" * 16, {}, "running"))
        writing.beat(1.0)
    assert store.trials(search.id) == []
    release(second)


def _write_search(url: str, number: int) -> None:
    with Store(url, create=True) as store:
        search = store.create_search(f"search {number}", {})
        for trial in range(20):
            with store.writing(search.id) as writing:
                writing.add(Trial(trial, f"{trial:016x}", {"a": trial}, "running"))


def test_several_processes_create_and_write_one_store_at_once(url: str) -> None:
    context = processes.context()
    writers = [context.Process(target=_write_search, args=(url, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Store(url) as store:
        assert [len(store.trials(search.id)) for search in store.searches()] == [20, 20, 20]


def test_reading_goes_on_while_somebody_writes(url: str) -> None:
    with Store(url, create=True) as writer, Store(url) as reader:
        search = writer.create_search("search", {})
        with writer._database.transaction() as connection:
            connection.exec_driver_sql("UPDATE nas_searches SET status = 'finished'")
            assert reader.search().status == "running"
        assert reader.search(search.id).status == "finished"


def test_a_store_in_memory_lasts_as_long_as_its_object() -> None:
    with Store("sqlite://", create=True) as store:
        search = store.create_search("search", {})
        with store.writing(search.id) as writing:
            writing.add(Trial(0, "0" * 16, {}, "running"))
        assert len(store.trials(search.id)) == 1


def test_a_store_that_is_not_there_is_an_error_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        Store(tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="no folder"):
        Store(tmp_path / "nowhere" / "store.db", create=True)


def test_a_file_that_is_no_store_is_an_error_and_left_as_it_was(tmp_path: Path) -> None:
    noise, other = tmp_path / "noise.db", tmp_path / "other.db"
    noise.write_bytes(b"anything but a database, and long enough to be looked at" * 20)
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.commit()
    connection.close()
    before = noise.read_bytes(), other.read_bytes()
    with pytest.raises(StoreError, match=r"noise.db: file is not a database"):
        Store(noise)
    with pytest.raises(StoreError, match="is no result store"):
        Store(other)
    assert (noise.read_bytes(), other.read_bytes()) == before


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "mine? 100% #1 é.db"
    with Store(path, create=True) as store:
        store.create_search("search", {})
    assert path.exists()
    with Store(str(path)) as store:
        assert store.search().name == "search"


@pytest.mark.parametrize("url", ["nonsense://x", "sqlite:///\0", "mysql://host/db", "://"])
def test_a_url_that_leads_nowhere_is_an_error_of_one_line(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(url, create=True)
    assert "\n" not in str(caught.value)


def test_a_password_is_in_no_message(postgres: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql://somebody:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)


def test_a_writing_waits_for_a_database_that_is_locked_and_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path, create=True, patience=30) as store:
        record = store.create_search("one", {})
        other = sqlite3.connect(path, check_same_thread=False)
        other.execute("PRAGMA busy_timeout=0")
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(1.0, other.rollback).start()
        with store._database._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=10")  # of the one connection of the pool
        with store.writing(record.id) as writing:
            writing.add(TRIALS[0])
        assert store.trials(record.id) == TRIALS[:1]
        other.close()


def test_a_writing_that_was_committed_though_the_answer_was_lost_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = new_driver()
    with Store(tmp_path / "store.db", create=True) as store:
        record = store.create_search("one", {}, driver)
        transaction, lost = store._database.transaction, []

        @contextmanager
        def losing() -> Any:
            with transaction() as connection:
                yield connection
            if not lost:  # committed; then the server goes
                lost.append(1)
                cause = sa.exc.OperationalError("COMMIT", None, Exception("server closed the connection"))
                raise StoreError("the store is gone") from cause

        monkeypatch.setattr(store._database, "transaction", losing)
        with store.writing(record.id, driver) as writing:
            writing.beat(1.0)
            writing.add(TRIALS[0])
        assert lost
        assert store.trials(record.id) == TRIALS[:1]
    release(driver)


def test_a_database_that_stays_away_is_an_error_when_patience_is_over(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path, create=True, patience=0.3) as store:
        record = store.create_search("one", {})
        with store._database._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(StoreError, match="readonly"), store.writing(record.id) as writing:
            writing.add(TRIALS[0])
        with store._database._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=OFF")
        with store.writing(record.id) as writing:
            writing.add(TRIALS[0])


def test_logs_usage_and_older_results_are_read_back(store: Store) -> None:
    given = [Start({"a": 1, "op": "x"}, {"accuracy": math.inf}, True), Start({"b": 0.5}, None, False)]
    record = store.create_search("one", {}, given=given)
    assert store.starts(record.id) == given
    with store.writing(record.id) as writing:
        writing.add(TRIALS[0])
        writing.log(0, "epoch 1\0\n")
        writing.usage(1.5, [Usage("worker 0", "here", 1.0, 0.25, 0.5)])
    with store.writing(record.id) as writing:
        writing.log(0, "epoch 2\n")
        writing.usage(2.5, [Usage("worker 0", "here", 2.0, 0.25, 0.5)])
    assert store.log(record.id, 0) == "epoch 2\n"
    assert store.log(record.id, 1) == ""
    assert store.usage(record.id) == [
        (1.5, Usage("worker 0", "here", 1.0, 0.25, 0.5)),
        (2.5, Usage("worker 0", "here", 2.0, 0.25, 0.5)),
    ]


def test_what_ran_and_what_the_cards_did_are_read_back(store: Store) -> None:
    record = store.create_search("one", {})
    plain = {"device": "cpu", "precision": "float32", "compiled": "no"}
    graphed = {"device": "NVIDIA H100", "precision": "bfloat16", "graphs": "no: it asks for a \0 é"}
    ran = [plain, graphed, {}, plain]
    card = Card("GPU-1", "NVIDIA H100", "here", 3, 8, 0.5, 2**40, 2**41)
    with store.writing(record.id) as writing:
        for number, one in enumerate(ran):
            writing.add(Trial(number, f"{number:016x}", {"a": 1}, "running"))
            writing.update(Trial(number, f"{number:016x}", {"a": 1}, "complete", ran=one))
        # an executor that says a card twice breaks no search
        writing.cards(1.5, [card, card, Card("GPU-2", "NVIDIA H100", "there", 0, 1, math.nan)])
    assert [trial.ran for trial in store.trials(record.id)] == ran
    assert store.ran(record.id) == [(plain, 2), (graphed, 1)]
    assert store.cards(record.id) == [
        (1.5, card),
        (1.5, Card("GPU-2", "NVIDIA H100", "there", 0, 1, None, None, None)),
    ]
    frame = store.frame(record.id)
    assert frame["device"].tolist()[:2] == ["cpu", "NVIDIA H100"]
    assert frame["device"].isna().tolist() == [False, False, True, False]
    assert frame["graphs"][1] == graphed["graphs"]
    assert frame["deterministic"].isna().all()


def test_the_last_epoch_of_each_trial_is_known(store: Store) -> None:
    record = store.create_search("one", {})
    with store.writing(record.id) as writing:
        for trial in TRIALS:
            writing.add(trial)
        for epoch in (1, 2, 3):
            writing.report(1, EpochReport(epoch, {}, None, 0.0, None))
    assert store.last_epochs(record.id) == {1: 3}
