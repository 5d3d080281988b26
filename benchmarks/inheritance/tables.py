"""What the rows say, as tables and figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import mean, median, stdev
from typing import Any

from scipy.stats import kendalltau

Row = dict[str, Any]
Table = tuple[str, list[str], list[list[object]]]
KINDS = ("wider", "deeper", "kernel", "recipe", "other", "smaller")


def all_of(rows: Sequence[Row]) -> Iterator[Table]:
    """The tables of all that was measured."""
    pairs = [row for row in rows if row["what"] == "pair" and row["nothing"] and row["inherits"]]
    if pairs:
        yield curves(pairs)
        yield kinds(pairs)
        yield ranks(pairs)
        yield generations(pairs)
    searches = [row for row in rows if row["what"] == "search" and row["anew"]]
    if searches:
        yield found(searches)


def curves(pairs: Sequence[Row]) -> Table:
    """The mean score after each epoch."""
    length = min(len(row["nothing"]) for row in pairs)
    epochs = sorted({1, 2, 3, 4, 6, 8, 10, length} & set(range(1, length + 1)))
    body: list[list[object]] = []
    for name, some in grouped(pairs, "problem"):
        for begins in ("nothing", "inherits"):
            body.append(
                [
                    f"{name} ({len(some)}), {begins}",
                    *(f"{mean(row[begins][e - 1] for row in some):.3f}" for e in epochs),
                ]
            )
    return "Mean validation score after an epoch", ["problem (pairs), begins from", *map(str, epochs)], body


def epochs_to(row: Row) -> float:
    """The epochs that a child needs to the score that it has from nothing; infinite: it is not reached."""
    goal = row["nothing"][-1]
    return next((number for number, score in enumerate(row["inherits"], 1) if score >= goal), math.inf)


def kinds(pairs: Sequence[Row]) -> Table:
    """By kind of mutation, how soon a child that inherits has what it has from nothing in the end.

    ``share``: of its numbers that are its parent's; ``less parent``: its score after an epoch less that of
    its parent; ``epochs``, ``seconds``: the median of those that it needs (seconds over those from nothing);
    ``sooner``, ``never``: how many need fewer than all, and more; ``end``: its score less that from nothing.
    """
    body = []
    groups = [(kind, [row for row in pairs if row["kind"] == kind]) for kind in KINDS]
    for kind, some in [*groups, *grouped(pairs, "problem"), ("all", list(pairs))]:
        if not some:
            continue
        needed, epochs = [epochs_to(row) for row in some], len(some[0]["nothing"])
        seconds = [
            row["inherits_seconds"] * count / epochs / row["nothing_seconds"]
            for row, count in zip(some, needed, strict=True)
        ]
        gains = [row["inherits"][-1] - row["nothing"][-1] for row in some]
        middle, share = median(needed), median(seconds)
        body.append(
            [
                kind,
                len(some),
                f"{mean(row['share'] for row in some):.2f}",
                f"{mean(row['inherits'][0] - row['parent'] for row in some):+.3f}",
                f"{middle:g} of {epochs}" if middle < math.inf else "not",
                f"{share:.2f}" if share < math.inf else "not",
                f"{sum(count < epochs for count in needed)}/{len(some)}",
                f"{sum(count == math.inf for count in needed)}/{len(some)}",
                f"{mean(gains):+.3f} ± {error(gains):.3f}",
            ]
        )
    heads = ["mutation", "pairs", "share", "less parent", "epochs", "seconds", "sooner", "never", "end"]
    return "How soon a child that inherits has the score that it has from nothing at its end", heads, body


def ranks(pairs: Sequence[Row]) -> Table:
    """How scores on the way rank networks, beside their full trainings from nothing."""
    body = []
    for name, some in grouped(pairs, "problem"):
        ends = [row["nothing"][-1] for row in some]
        length = len(some[0]["nothing"])
        for begins in ("nothing", "inherits"):
            taus = [
                tau([row[begins][epoch - 1] for row in some], ends)
                for epoch in (1, 3, 4, 6, length)
                if epoch <= length
            ]
            body.append([f"{name} ({len(some)}), {begins}", *(f"{one:.2f}" for one in taus)])
        body.append([f"{name}, the parent's score", f"{tau([row['parent'] for row in some], ends):.2f}"])
    heads = ["problem (pairs), begins from", *(str(e) for e in (1, 3, 4, 6)), "the last"]
    return "Kendall's tau between the score after an epoch and that from nothing at the end", heads, body


def generations(pairs: Sequence[Row]) -> Table:
    """How much better a network looks for having inherited, by how many have trained before it."""
    body = []
    for generation, some in grouped(pairs, "generation"):
        gains = [row["inherits"][-1] - row["nothing"][-1] for row in some]
        early = [row["inherits"][min(4, len(row["inherits"])) - 1] - row["nothing"][-1] for row in some]
        body.append(
            [
                generation,
                len(some),
                f"{mean(early):+.3f} ± {error(early):.3f}",
                f"{mean(gains):+.3f} ± {error(gains):.3f}",
            ]
        )
    heads = ["trainings before it", "pairs", "after 4 epochs", "at the end"]
    return "Score of a child that inherits less that from nothing at the end", heads, body


def found(searches: Sequence[Row]) -> Table:
    """What searches find, trained anew from nothing."""
    body = []
    for (name, method), some in grouped(searches, "problem", "method"):
        anew = [mean(row["anew"]) for row in some]
        said = [row["said"] for row in some]
        body.append(
            [
                f"{name}, {method}",
                len(some),
                f"{mean(row['trials'] for row in some):.0f}",
                f"{mean(row['epochs'] for row in some):.0f}",
                f"{mean(said):.3f}",
                f"{mean(anew):.3f} ± {error(anew):.3f}",
                f"{min(anew):.3f}",
            ]
        )
    heads = ["method", "seeds", "trials", "epochs", "said", "anew", "worst"]
    return "Validation score of the network that evolution finds", heads, body


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """What is of use to programs."""
    pairs = [row for row in rows if row["what"] == "pair" and row["nothing"] and row["inherits"]]
    return {
        "pairs": len(pairs),
        "searches": sum(row["what"] == "search" for row in rows),
        "sooner": {
            name: mean(epochs_to(row) < len(row["nothing"]) for row in some)
            for name, some in grouped(pairs, "problem")
        },
        "tables": {title: body for title, _, body in all_of(rows)},
    }


def tau(scores: Sequence[float], ends: Sequence[float]) -> float:
    """Kendall's tau; missing for fewer than two."""
    return float(kendalltau(scores, ends).statistic) if len(ends) > 1 else math.nan


def error(values: Sequence[float]) -> float:
    """The standard error of a mean; missing for fewer than two."""
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else math.nan


def grouped(rows: Iterable[Row], *names: str) -> list[tuple[Any, list[Row]]]:
    """Rows by the values of columns, in the order in which they came."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        values = tuple(row[name] for name in names)
        groups[values if len(names) > 1 else values[0]].append(row)
    return list(groups.items())
