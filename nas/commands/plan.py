"""``nas plan``: what a budget would buy."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nas.commands.options import FolderOption, InputOption, SpaceOption, TaskOption, with_options_of
from nas.commands.saying import say
from nas.commands.search import DEFAULT_SECONDS, executor_options


@with_options_of(executor_options)
def plan(
    problem: Annotated[str, typer.Argument(help="What to learn: see nas list problems.")] = "digits",
    seconds: Annotated[float | None, typer.Option(help="The time of the search.")] = None,
    trials: Annotated[int | None, typer.Option(help="The networks of the search.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every trial that is not stopped.")] = None,
    space: SpaceOption = None,
    folder: FolderOption = None,
    input_: InputOption = None,
    task: TaskOption = None,
    **options: Any,
) -> None:
    """Tell what a search would do with a budget.

    The plain network is trained for two epochs, where the search would train; nothing is kept.
    """
    where = executor_options(**options)
    from nas.commands.assemble import assemble

    if seconds is None and trials is None:
        seconds = DEFAULT_SECONDS
    search = assemble(
        problem,
        space,
        "auto",
        maximize=[],
        minimize=[],
        limits=[],
        folder=folder,
        inputs=input_ or [],
        tasks=task or [],
        executor=where or "pool",
        store="sqlite://",
        seconds=seconds,
        trials=trials,
        epochs=epochs,
    )
    for choice in search.plan():
        say(f"{choice.part:>11}  {choice.reason}")
