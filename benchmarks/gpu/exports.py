"""Each export format, from weights that were trained on the card: its answers beside the network's own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import at_most, show
from benchmarks.exported import difference
from benchmarks.gpu.generated import at_random, pictures
from benchmarks.gpu.setting import Measured, Setting, missing_package, say
from nas.reuse.export import FORMATS
from nas.reuse.found import Found
from search_spaces.catalog import cnn, multimodal, series, text, vit
from search_spaces.errors import ExportError
from search_spaces.inputs import Image, Sequence, Tokens
from search_spaces.signature import Signature
from search_spaces.space import Space
from search_spaces.tasks import Classification, Regression
from workers.job import Failed, Finished, Job
from workers.problems.problem import Problem
from workers.trial import trial

BOUND = 1e-5
EXAMPLES = 16
"""The examples that an export is asked."""

TWO = Signature(
    {"image": Image(1, 12, 12), "words": Tokens(12, 60)},
    {"kind": Classification(5), "size": Regression(1)},
)


def cases(quick: bool) -> dict[str, tuple[Space, Problem]]:
    """What is trained, by the name of its space."""
    few = 160 if quick else 1_000
    known = {
        "cnn": (cnn(), pictures(few, side=12)),
        "multimodal": (multimodal(TWO), at_random(TWO, few)),
        "vit": (vit(), pictures(few, side=12)),
        "text": (text(), at_random(Signature({"words": Tokens(12, 60)}, {"kind": Classification(5)}), few)),
        "series": (
            series(),
            at_random(Signature({"steps": Sequence(16, 4)}, {"kind": Classification(5)}), few),
        ),
    }
    return {"cnn": known["cnn"]} if quick else known


def trained(space: Space, problem: Problem, device: str) -> Found:
    """The plain network of a space, trained for an epoch.

    Raises:
        RuntimeError: the trial failed.
    """
    architecture = Space({"model": space, "recipe": {"epochs": 1}}).plain()
    *_, end = trial.run(Job(0, architecture, seed=0), problem.to(device), device=device)
    if isinstance(end, Failed):
        raise RuntimeError(f"{end.reason}: {end.message}\n{end.traceback}")
    assert isinstance(end, Finished)
    weights = end.weights.read()
    return Found(
        architecture, problem.signature, weights, end.metrics, end.test_metrics, {"problem": "random"}
    )


def measure(setting: Setting) -> Measured:
    """Exports every network in every format that there is time for."""
    formats = ["safetensors", "python"] if setting.quick else list(FORMATS)
    figures: dict[str, dict[str, Any]] = {}
    skipped: list[str] = []
    failed = 0
    worst: float | None = None
    with tempfile.TemporaryDirectory(prefix="gpu-exports") as folder:
        for name, (space, problem) in cases(setting.quick).items():
            if setting.left() < 2:
                skipped.append(f"{name}: no time left")
                continue
            found = trained(space, problem, setting.device)
            inputs = problem.test.take(slice(0, EXAMPLES)).inputs
            figures[name] = {}
            for format in formats:
                place = Path(folder) / f"{name}-{format}"
                try:
                    seen: float | str = difference(found, format, place, inputs, sys.executable)
                except Exception as error:
                    lacking = _lacking(error)
                    if lacking is not None:
                        skipped.append(f"{name}, {format}: {lacking}")
                        continue
                    seen = f"{type(error).__name__}: {error!s:.300}"
                    failed += 1
                    say(f"  {name}, {format}: FAILED: {seen}")
                figures[name][format] = seen
                if isinstance(seen, float):
                    worst = seen if worst is None else max(worst, seen)
    rows = [
        [name, *(f"{seen:.1e}" if isinstance(seen := found.get(format), float) else "" for format in formats)]
        for name, found in figures.items()
    ]
    show("Largest difference of an export's answers", ["space", *formats], rows)
    targets = [
        at_most("exports that failed", setting.judged(failed), 0),
        at_most("exports' answers, all formats", setting.judged(worst), BOUND),
    ]
    return Measured(figures, targets, skipped)


def _lacking(error: BaseException) -> str | None:
    """The package whose lack an error tells of; an export words it itself."""
    lacking = missing_package(error)
    if lacking is not None:
        return f"needs {lacking}"
    if isinstance(error, ExportError) and isinstance(error.__cause__, ImportError):
        return str(error)
    return None
