"""Writing what a benchmark measured into RESULTS.md, each into its own place there."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Target

RESULTS = Path(__file__).parent / "RESULTS.md"


def record(place: str, command: str, tables: Sequence[str], targets: Sequence[Target] = ()) -> None:
    """Write into the part of RESULTS.md between ``<!-- place -->`` and ``<!-- /place -->``.

    Args:
        place: which part.
        command: that measured it.
        tables: in Markdown, see `benchmarks.common.markdown`.
        targets: said below them.
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "ray", "optuna"))
    where = (
        f"{datetime.date.today().isoformat()}, {os.cpu_count()} cores of {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}"
    )
    said = [
        f"- {'met' if one.met else '**missed**'}: {one.name}: {one.value:.4g} (target {one.target})"
        for one in targets
    ]
    begin, end = f"<!-- {place} -->", f"<!-- /{place} -->"
    text = RESULTS.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{RESULTS}: expected a part between {begin} and {end}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    parts = [f"`{command}` ({where})", *tables, "\n".join(said)]
    body = "\n\n".join(part for part in parts if part)
    RESULTS.write_text(f"{before}{begin}\n{body}\n{end}{after}")
