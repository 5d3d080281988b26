"""Values, curves and times as short text, for tables and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def cell(value: Any, name: str = "") -> str:
    """Returns a value as text.

    Args:
        value: the value; None: nothing is shown.
        name: the name of its column.
    """
    if value is None:
        return ""
    if name.endswith("_pct") and not isinstance(value, str):
        return f"{value:+.2f}"
    if name.endswith("_bytes") and not isinstance(value, str):
        return size(value)
    if name == "mean_rank":
        return f"{value:.2f}"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def size(count: float) -> str:
    """Returns a number of bytes for people, such as ``1.25 GB``; a kB is 1000 bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= factor:
            return f"{count / factor:,.2f} {unit}"
    return f"{count:,.0f} B"


def ran_text(ran: Mapping[str, str]) -> str:
    """Returns on what networks were trained, such as ``NVIDIA H100, bfloat16``.

    Args:
        ran: what ran, by name (see `workers.acceleration.Ran`); empty: it is unknown.
    """
    return ", ".join(ran[name] for name in ("device", "precision") if name in ran)


def ran_counts(ran: Sequence[tuple[Mapping[str, str], int]]) -> str:
    """Returns on what the trials of a search were trained: with their numbers where there are several."""
    counts: dict[str, int] = {}
    for one, count in ran:
        counts[ran_text(one)] = counts.get(ran_text(one), 0) + count
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{where} ({count} trial{'s' * (count != 1)})" for where, count in counts.items())


def spark(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """Returns a curve in one line of text, from ``low`` to ``high``; left out: from its least to its most."""
    low = min(values) if low is None else low
    span = ((max(values) if high is None else high) - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / span)] for value in values)


def duration(seconds: float) -> str:
    """Returns a time for people, such as ``2 min 5 s``, or ``0.4 s``."""
    if 0 < seconds < 1:
        return f"{seconds:.1g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
