"""What a trial prints is kept, goes on to where it went, and leaves the streams as they were."""

import contextlib
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from workers.trial.trial_log import LENGTH, TrialLog


@pytest.fixture(autouse=True)
def _streams_stay() -> Iterator[None]:
    before = sys.stdout, sys.stderr, logging.getLogRecordFactory(), list(logging.getLogger().handlers)
    yield
    after = sys.stdout, sys.stderr, logging.getLogRecordFactory(), list(logging.getLogger().handlers)
    assert after == before


@contextlib.contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger as it is in a program that configures none; pytest has handlers there in each test."""
    root = logging.getLogger()
    before, root.handlers[:] = list(root.handlers), []
    yield root
    root.handlers[:] = before


def test_what_is_printed_is_kept_and_still_reaches_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    log = TrialLog()
    print("before")
    with log:
        print("to you")
        print("and you", file=sys.stderr)
    print("between")
    with log:
        sys.stdout.writelines(["again", "\n"])
        sys.stdout.flush()
    assert log.text() == "to you\nand you\nagain\n"
    assert capsys.readouterr() == ("before\nto you\nbetween\nagain\n", "and you\n")


def test_streams_come_back_after_an_error_and_after_the_code_inside_has_replaced_them() -> None:
    def fail() -> None:
        sys.stdout = sys.stderr = io.StringIO()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), TrialLog():
        fail()


def test_a_warning_is_kept() -> None:
    script = """
import warnings
from workers.trial.trial_log import TrialLog
log = TrialLog()
with log:
    warnings.warn("mind the gap")
print(log.text(), end="")
"""
    # in a process of its own: pytest takes all warnings to itself
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "UserWarning: mind the gap" in ended.stdout
    assert ended.stderr == ended.stdout


def test_a_record_is_kept_once_where_nothing_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    log = TrialLog()
    with bare_root(), log:
        logging.getLogger("network").warning("diverged in step %d", 3)
        logging.getLogger("network").info("not wanted")
    assert log.text() == "diverged in step 3\n"
    assert capsys.readouterr().err == log.text()


def test_a_record_is_kept_once_where_it_goes_to_a_stream_that_is_older_than_the_trial(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = TrialLog()
    with bare_root() as root:
        root.addHandler(logging.StreamHandler())
        with log:
            logging.getLogger("network").warning("diverged")
    assert log.text() == "WARNING network: diverged\n"
    assert capsys.readouterr().err == "diverged\n"


def test_code_inside_may_configure_logging_and_its_handler_works_for_later_trials(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = [TrialLog(), TrialLog()]
    with bare_root():
        for log in logs:
            with log:
                logging.basicConfig(level=logging.WARNING, format="configured: %(message)s")
                logging.getLogger("network").warning("diverged")
        logging.getLogger("network").warning("later")
    assert [log.text() for log in logs] == ["configured: diverged\n", "WARNING network: diverged\n"]
    assert capsys.readouterr().err == "configured: diverged\n" * 2 + "configured: later\n"


def test_a_record_below_its_handlers_level_is_kept() -> None:
    log = TrialLog()
    with bare_root() as root, log:
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        root.addHandler(handler)
        logging.getLogger("network").warning("diverged")
    assert log.text() == "WARNING network: diverged\n"


def test_a_record_whose_arguments_do_not_fit_does_no_harm() -> None:
    log = TrialLog()
    with bare_root() as root, log:
        root.addHandler(logging.NullHandler())
        logging.getLogger("network").warning("%d", "three")
    assert log.text() == ""


def test_other_threads_are_not_listened_to(capsys: pytest.CaptureFixture[str]) -> None:
    log = TrialLog()
    with log:
        other = threading.Thread(target=print, args=("somebody else",))
        other.start()
        other.join()
    assert log.text() == ""
    assert capsys.readouterr().out == "somebody else\n"


def test_only_the_end_of_much_is_kept() -> None:
    log = TrialLog()
    for number in range(50_000):
        log.write(f"{number}\n")
    assert len(log.text()) == LENGTH
    assert log.text().endswith("49998\n49999\n")
    log.write("ä" * LENGTH)
    assert log.text() == "ä" * (LENGTH // 2)


def test_text_that_is_no_text_can_still_be_written_down() -> None:
    log = TrialLog()
    log.write("lone \ud800 surrogate")
    assert log.text() == "lone ? surrogate"
    log.text().encode()
