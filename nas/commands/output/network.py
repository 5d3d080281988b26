"""Everything about one network, printed: its drawing, decisions, metrics, costs and learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.commands.output.tables import print_table
from nas.commands.saying import say, say_lines
from nas.description import Description
from nas.records import EpochReport
from nas.results.text import cell, ran_text, spark
from nas.reuse.found import Found
from nas.reuse.load import best_of
from nas.store.store import Store
from search_spaces.errors import NasError


def print_trial(store: Store, id: str | None, search: str | None, *, log: bool = False) -> None:
    """Prints everything about one architecture in a store; with ``log`` what its trial printed, too.

    Args:
        store: the store that has it.
        id: the id of the architecture, or its beginning; None: the best of the search.
        search: the name or number of the search; None: the latest that has it.
        log: whether to print what its trial has printed.

    Raises:
        StoreError, UnknownNameError: there is none.
    """
    if id is None:
        record = store.search(search)
        trial = best_of(store, record)
    else:
        record, trial = store.find_trial(id, search)
    description = record.description
    say(f"{trial.architecture_id} is trial {trial.number} of search {record.name}: {trial.status}")
    for warning in description.warnings:
        say(f"warning: {warning}")
    try:
        architecture = description.load_space().architecture(trial.decisions)
        say_lines(architecture.draw(description.signature))
    except NasError as error:  # modules of the user's own, or a candidate that cannot be built
        say(f"(no drawing: {error})")
    _print_facts(trial.decisions, trial.metrics, trial.test_metrics)
    if trial.training:
        again = f"its training again with another seed, number {trial.training}, which ended better"
        say(f"weights and metrics are of {again}; the learning curve is of the trial itself")
    came = f"came by {trial.origin}" + (f" from {', '.join(trial.parents)}" if trial.parents else "")
    took = f", took {trial.seconds:.1f} s" if trial.seconds is not None else ""
    say(came + took)
    if trial.ran:
        say(", ".join(f"{name} {value}" for name, value in trial.ran.items()))
    if trial.reason is not None:
        say_lines(f"{trial.reason}: {trial.message}")
        if trial.traceback:
            say_lines(trial.traceback)
    _print_curve(store.reports(record.id, trial.number), description)
    if log:
        text = store.log(record.id, trial.number)
        say("log (its end)" if text else "it printed nothing")
        say_lines(text, end="")


def print_found(found: Found) -> None:
    """Prints everything about an exported network."""
    network = found.build()  # that its weights are good is part of what there is to know
    say_lines(found.architecture.draw(found.signature))
    weights = sum(parameter.numel() for parameter in network.parameters())
    say(f"weights: {weights:,} parameters, {len(found.weights or b''):,} bytes")
    _print_facts(found.architecture.decisions, found.metrics, found.test_metrics)
    came = {**found.provenance, "ran on": ran_text(found.provenance.get("ran") or {})}
    came.pop("ran", None)
    say(", ".join(f"{key} {value}" for key, value in came.items() if value))


def _print_facts(
    decisions: Mapping[str, Any], metrics: Mapping[str, float], test: Mapping[str, float]
) -> None:
    print_table(
        "decisions",
        ["path", "value"],
        [[path, _plain(value)] for path, value in decisions.items()],
        prose=True,
    )
    if metrics:
        rows = [[name, cell(value, name), cell(test.get(name), name)] for name, value in metrics.items()]
        print_table("metrics and costs", ["name", "validation", "test"], rows)


def _print_curve(reports: Sequence[EpochReport], description: Description) -> None:
    if not reports:
        return
    names = list(reports[0].metrics)
    metric = description.objectives[0].metric
    rows = [
        [str(r.epoch), cell(r.train_loss), *(cell(r.metrics.get(n)) for n in names), cell(r.seconds)]
        for r in reports
    ]
    values = [r.metrics[metric] for r in reports if metric in r.metrics]
    curve = f": {metric} {spark(values)}" if values else ""
    print_table(f"learning curve{curve}", ["epoch", "train loss", *names, "seconds"], rows)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
