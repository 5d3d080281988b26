"""Everything about one network, printed: its drawing, decisions, metrics, costs and learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.commands.output.tables import console, print_table
from nas.description import Description
from nas.records import EpochReport
from nas.results.text import cell, ran_text, spark
from nas.reuse.found import Found
from nas.store.store import Store
from search_spaces.errors import NasError


def print_trial(store: Store, id: str, search: str | None, *, log: bool = False) -> None:
    """Prints everything about one architecture in a store; with ``log`` what its trial printed, too."""
    record, trial = store.find_trial(id, search)
    description = record.description
    out = console()
    out.print(
        f"{trial.architecture_id} is trial {trial.number} of search {record.name}: {trial.status}",
        markup=False,
    )
    for warning in description.warnings:
        out.print(f"warning: {warning}", markup=False)
    try:
        architecture = description.load_space().architecture(trial.decisions)
        out.print(architecture.draw(description.signature), markup=False)
    except NasError as error:  # modules of the user's own, or a candidate that cannot be built
        out.print(f"(no drawing: {error})", markup=False)
    _print_facts(trial.decisions, trial.metrics, trial.test_metrics)
    came = f"came by {trial.origin}" + (f" from {', '.join(trial.parents)}" if trial.parents else "")
    took = f", took {trial.seconds:.1f} s" if trial.seconds is not None else ""
    out.print(came + took, markup=False)
    if trial.ran:
        out.print(", ".join(f"{name} {value}" for name, value in trial.ran.items()), markup=False)
    if trial.reason is not None:
        out.print(f"{trial.reason}: {trial.message}", markup=False)
        if trial.traceback:
            out.print(trial.traceback, markup=False)
    _print_curve(store.reports(record.id, trial.number), description)
    if log:
        text = store.log(record.id, trial.number)
        out.print("log (its end)" if text else "it printed nothing", markup=False)
        out.print(text, markup=False, highlight=False, end="")


def print_found(found: Found) -> None:
    """Prints everything about an exported network."""
    out = console()
    network = found.build()  # that its weights are good is part of what there is to know
    out.print(found.architecture.draw(found.signature), markup=False)
    weights = sum(parameter.numel() for parameter in network.parameters())
    out.print(f"weights: {weights:,} parameters, {len(found.weights or b''):,} bytes", markup=False)
    _print_facts(found.architecture.decisions, found.metrics, found.test_metrics)
    came = {**found.provenance, "ran on": ran_text(found.provenance.get("ran") or {})}
    came.pop("ran", None)
    out.print(", ".join(f"{key} {value}" for key, value in came.items() if value), markup=False)


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
