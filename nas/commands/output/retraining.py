"""Networks that were trained again, printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.commands.output.tables import print_rows
from nas.results.text import cell


def print_retraining(rows: Sequence[Mapping[str, Any]], format: str) -> None:
    """Prints the rows of `nas.reuse.retrain.Retraining`, in a table each mean with its deviation."""
    known = dict.fromkeys(
        name.removesuffix("_mean") for row in rows for name in row if name.endswith("_mean")
    )
    metrics = [name for name in known if name.startswith("test_") and not name.endswith("loss")]
    names = ["id", "n", *(["failed"] if any(row["failed"] for row in rows) else []), "epochs", "seconds"]
    told = ["message"] if any(row["message"] for row in rows) else []
    cells = []
    for row in rows:
        spread = []
        for metric in metrics:
            mean, std = row.get(f"{metric}_mean"), row.get(f"{metric}_std")
            spread.append(cell(mean, metric) + ("" if std is None else f" ± {cell(std, metric)}"))
        cells.append([cell(row[name]) for name in names] + spread + [cell(row[name]) for name in told])
    print_rows(rows, format, "trained again", [*names, *metrics, *told], cells, prose=bool(told))
