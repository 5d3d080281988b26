"""Networks that were taken out of shared weights, printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.commands.output.tables import print_rows
from nas.results.text import cell
from nas.reuse.found import Found
from workers.problems.measures import main_metric


def print_subnets(found: Sequence[Found], folders: Sequence[Path], format: str) -> None:
    """Prints networks, the smallest first where there are several.

    Args:
        found: the networks.
        folders: where they were exported to; none where they were not.
        format: the format, see `print_rows`.
    """
    tasks = found[0].signature.tasks
    metric = "score" if len(tasks) > 1 else main_metric(next(iter(tasks.values())))
    rows = [
        {
            "id": one.architecture.id,
            metric: one.metrics.get(metric),
            f"test_{metric}": one.test_metrics.get(metric),
            "num_params": int(one.metrics["num_params"]),
            "inherited_share": one.provenance["inherited_share"],
            **({"folder": str(folders[place])} if folders else {}),
        }
        for place, one in enumerate(found)
    ]
    names = list(rows[0])
    cells = [[cell(row[name], name) for name in names] for row in rows]
    print_rows(rows, format, "with inherited weights, not trained on", names, cells)
