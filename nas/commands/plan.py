"""``nas plan``: what a budget would buy."""

from __future__ import annotations

from inspect import signature
from typing import Annotated, Any

import typer

from nas.commands.data import data_options, problem_name
from nas.commands.options import SpaceOption, given_options, search_options, with_options_of
from nas.commands.saying import say
from nas.commands.search import DEFAULT_SECONDS, executor_options
from nas.description import AUTO, HOURS

_BUDGET = ("seconds", "trials", *HOURS)


@with_options_of(executor_options)
@with_options_of(data_options)
@search_options((*_BUDGET, "epochs"))
def plan(
    problem: Annotated[
        str | None, typer.Argument(help="What to learn: see nas list problems; default: digits.")
    ] = None,
    space: SpaceOption = None,
    **options: Any,
) -> None:
    """Tell what a search would do with a budget.

    The plain network is trained for two epochs, where the search would train; nothing is kept.
    """
    where = executor_options(**{name: options.pop(name) for name in signature(executor_options).parameters})
    data = data_options(**{name: options.pop(name) for name in signature(data_options).parameters})
    from nas.commands.assemble import assemble

    given = given_options(options)
    if not given.keys() & {*_BUDGET}:
        given["seconds"] = DEFAULT_SECONDS
    search = assemble(
        problem_name(problem, data) or "digits",
        space,
        AUTO,
        data=data,
        executor=where or "pool",
        store="sqlite://",
        **given,
    )
    for choice in search.plan():
        say(f"{choice.part:>11}  {choice.reason}")
