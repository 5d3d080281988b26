"""The ``nas`` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

from nas.commands.compare import compare
from nas.commands.ensemble import ensemble
from nas.commands.export import export
from nas.commands.jobs import logs, stop
from nas.commands.leaderboard import leaderboard
from nas.commands.list import list_
from nas.commands.report import report
from nas.commands.resume import extend, resume
from nas.commands.retrain import retrain
from nas.commands.search import interrupt, search
from nas.commands.show import show
from nas.commands.status import status
from nas.commands.store import app as store
from nas.commands.submit import submit
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
    (resume, "resume digits-evolution-1"),
    (extend, "extend digits-evolution-1 --trials +50"),
    (leaderboard, "leaderboard --top 5 --format markdown"),
    (report, "report digits-evolution-1 --html report.html --watch"),
    (compare, "compare --top 3 --executor inline"),
    (show, "show 3fa9"),
    (export, "export 3fa9 --to best --format python"),
    (retrain, "retrain --top 3 --seeds 5 --to retrained"),
    (ensemble, "ensemble --top 10"),
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
    signal.signal(signal.SIGTERM, interrupt)
    try:
        code = app(standalone_mode=False)
    except UnmetLimitsError as error:  # nothing was written wrongly
        _fail(str(error), code=1)
    except NasError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped", code=130)
    except BrokenPipeError:  # nas leaderboard | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # what is wrong with the options themselves; its class depends on the version of typer
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(message())
            sys.exit(2)
        context = getattr(error, "ctx", None)
        _fail(message() + (f" (see {context.command_path} --help)" if context is not None else ""))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> NoReturn:
    """Ends the command with one line, whatever the message is."""
    line = " ".join(message.split())
    typer.echo(f"error: {line if len(line) <= 600 else line[:597] + '...'}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
