"""Lines that commands print: nothing in them steers the terminal, none has a password in it."""

from __future__ import annotations

import typer

from nas.escaping import for_terminal, one_line
from nas.passwords import without_passwords


def say(text: object, *, err: bool = False) -> None:
    """Prints one line.

    Args:
        text: the line.
        err: whether it goes to standard error, apart from the results.
    """
    typer.echo(one_line(without_passwords(text)), err=err)


def say_lines(text: str, *, end: str = "\n") -> None:
    """Prints text that has lines of its own, such as a drawing, a traceback or a log."""
    typer.echo(for_terminal(text) + end, nl=False)
