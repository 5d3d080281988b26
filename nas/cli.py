"""The ``nas`` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from io import TextIOWrapper
from typing import NoReturn

import typer

from nas.commands.compare import compare
from nas.commands.ensemble import ensemble
from nas.commands.export import export
from nas.commands.jobs import logs, stop
from nas.commands.leaderboard import leaderboard
from nas.commands.list import list_
from nas.commands.plan import plan
from nas.commands.report import report
from nas.commands.resume import extend, resume
from nas.commands.retrain import retrain
from nas.commands.saying import say
from nas.commands.score import score
from nas.commands.search import listen, search
from nas.commands.show import show
from nas.commands.status import status
from nas.commands.store import app as store
from nas.commands.submit import submit
from nas.commands.subnet import subnet
from nas.environment import DEFAULT_STORE, too_little_memory
from nas.escaping import for_terminal
from nas.passwords import without_passwords
from search_spaces.errors import NasError, UnmetLimitsError

app = typer.Typer(
    help="Neural architecture search: which network should I train?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

for command, example in (
    (search, "search --problem omniglot --limit 'num_params<=100000' --trials 50"),
    (plan, "plan digits --seconds 3600 --workers 4"),
    (resume, "resume digits-evolution-1"),
    (extend, "extend digits-evolution-1 --trials +50"),
    (leaderboard, "leaderboard --top 5 --format markdown"),
    (report, "report digits-evolution-1 --html report.html --watch"),
    (compare, "compare --top 3 --executor inline"),
    (show, "show 3fa9"),
    (export, "export 3fa9 --to best --format python"),
    (retrain, "retrain --top 3 --seeds 5 --to retrained"),
    (ensemble, "ensemble --top 10"),
    (score, "score --sample 50 --problem digits --score num_params --score naswot"),
    (subnet, "subnet --limit 'num_params<=50000' --to small"),
    (list_, "list problems"),
    (submit, "submit my_search.py --address http://head:8265 --workers 64 --gpus-per-trial 0.25"),
    (status, "status my_search-3f2a1c --address http://head:8265"),
    (logs, "logs my_search-3f2a1c --follow --address http://head:8265"),
    (stop, "stop my_search-3f2a1c --address http://head:8265"),
):
    app.command(command.__name__.rstrip("_"), epilog=f"Example: nas {example}")(command)
app.add_typer(store, name="store")


def main() -> None:
    """Runs the command; what a person got wrong ends it with one line and exit code 2.

    A search that nothing came out of ends it with exit code 1.
    """
    listen()
    _prepare_output()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except UnmetLimitsError as error:  # nothing was written wrongly
        _fail(str(error), code=1)
    except NasError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped", code=130)
    except OSError as error:  # files have errors of ours: it is the output, or the machine
        words = too_little_memory(error)
        if words is None and _reader_left(error):  # nas leaderboard | head
            _leave(0)
        _fail(words or f"{error.filename or 'output'}: {error.strerror or error}")
    except SystemExit as error:
        # what is between us and a command answers to a reader that has left in ways of its own
        _leave(0 if _reader_left(error.__context__) else error.code)
    except Exception as error:
        # what is wrong with the options themselves; its class depends on the version of typer
        message = getattr(error, "format_message", None)
        if message is None:
            if (words := too_little_memory(error)) is not None:
                _fail(words)
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(message())
            _leave(2)
        context = getattr(error, "ctx", None)
        _fail(message() + (f" (see {context.command_path} --help)" if context is not None else ""))
    _leave(code if isinstance(code, int) else 0)


def _prepare_output() -> None:
    """Lets standard output take any text, and what libraries log say nothing that is not to be seen."""
    if sys.stdout is None:
        _fail("standard output is closed: send it to a file, or to /dev/null")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what its encoding has not becomes a question mark
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Shown())


class _Shown(logging.Formatter):
    """Log records as lines for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(without_passwords(super().format(record), *_given()))


def _given() -> list[str]:
    """Returns what a person has said in which there may be a password."""
    return [*sys.argv[1:], DEFAULT_STORE]


def _reader_left(error: BaseException | None) -> bool:
    """Whether an error, or one that it comes of, says that nobody reads the output any more."""
    while error is not None:
        if isinstance(error, BrokenPipeError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _fail(message: str, code: int = 2) -> NoReturn:
    """Ends the command with one line, whatever the message is."""
    line = " ".join(without_passwords(message, *_given()).split())
    line = line if len(line) <= 600 else line[:597] + "..."
    with contextlib.suppress(OSError, ValueError):  # there may be nowhere to say it
        say(f"error: {line}", err=True)
    _leave(code)


def _leave(code: int | str | None) -> NoReturn:
    """Ends the process; output that can be written nowhere does not count any more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
