"""Lines that commands print: nothing in them steers the terminal, none has a password in it."""

from __future__ import annotations

import sys

from nas.escaping import for_terminal, one_line


def say(text: object, *, err: bool = False) -> None:
    """Prints one line.

    Args:
        text: the line.
        err: whether it goes to standard error, apart from the results.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        # not by typer, which takes ASCII for a mistake and writes UTF-8
        print(one_line(text), file=stream, flush=True)


def say_lines(text: str, *, end: str = "\n") -> None:
    """Prints text that has lines of its own, such as a drawing, a traceback or a log."""
    print(for_terminal(text), end=end, flush=True)
