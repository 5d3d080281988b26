"""Searches for tests of reports and analysis: recorded through the store, nothing trained."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from nas import Search, maximize
from nas.records import EpochReport, PlanChoice, Trial
from nas.search_record import SearchRecord
from nas.store.store import Store
from search_spaces.catalog import mlp
from workers.executor import Card, Usage

EVIL = "<script>alert(1)</script>"
"""A name that must be shown as text."""

EPOCHS = 6


def record(
    store: Store,
    count: int,
    *,
    name: str = EVIL,
    controller: str = "evolution",
    objectives: Any = None,
    curves: int = 30,
    status: str = "finished",
) -> SearchRecord:
    """A search of ``count`` trials in which width and normalisation decide the accuracy and dropout nothing.

    Every tenth failed, every third of the others paused halfway; the first ``curves`` have learning curves.
    """
    described = Search(
        mlp(), "digits", controller, objectives=objectives or [maximize("accuracy")], store="sqlite://"
    )
    found = store.create_search(name, described.description.to_dict())
    rng = random.Random(0)
    with store.writing(found.id) as writing:
        for number in range(count):
            trial = _trial(number, rng, found.created_at)
            writing.add(trial)
            for report in _reports(trial) if number < curves else ():
                writing.report(number, report)
        for step in range(1, 11):
            spent = [Usage(f"worker {i}", "node", 8.0 * step, 1.0 * step, 1.0 * step) for i in range(2)]
            writing.usage(10.0 * step, spent)
            busy = [Card("GPU-0", EVIL, "node", 3, 4, 0.9, 30 * 10**9, 80 * 10**9)]
            writing.cards(10.0 * step, [*busy, Card("GPU-1", "NVIDIA H100", "node", 0, 1)])
        for place, part in enumerate(("epochs", "controller")):
            writing.choose(place, PlanChoice(part, {"name": part}, f"{EVIL} & why", 4 + place, 2.5))
        writing.search(status=status, reason=f"{count} trials are done", elapsed_seconds=100.0)
    return store.search(found.id)


def _trial(number: int, rng: random.Random, began_at: float) -> Trial:
    width, times = rng.choice([16, 32, 64, 128, 256]), rng.choice([1, 2])
    decisions: dict[str, Any] = {"1.times": times, "normalisation": rng.choice(["none", "batch", "layer"])}
    decisions["wide"] = False
    decisions |= {"activation": rng.choice(["relu", "gelu", "tanh"]), "1.0.out_features": width}
    decisions |= {f"1.{i}.dropout": rng.choice([0.0, 0.1, 0.3]) for i in range(times)}
    decisions |= {"1.1.out_features": 32} if times == 2 else {}
    common: dict[str, Any] = {
        "number": number,
        "architecture_id": f"{rng.getrandbits(64):016x}",
        "decisions": decisions,
        "origin": EVIL if number == 0 else "mutation",
        "asked_step": 2 * number,
        "told_step": 2 * number + 1,
        "started_at": began_at + number,
    }
    if number % 10 == 9:
        return Trial(status="failed", reason="out_of_memory", message=f"{EVIL} & more", seconds=1.0, **common)
    accuracy = 0.6 + 0.05 * math.log2(width / 16) + 0.1 * (decisions["normalisation"] == "batch")
    accuracy += rng.gauss(0, 0.01)
    metrics = {"loss": 1 - accuracy, "accuracy": accuracy, "num_params": 90 * width + number % 7}
    paused = number % 3 == 2
    return Trial(
        status="paused" if paused else "complete",
        score=accuracy,
        metrics=metrics,
        test_metrics={"loss": 1.01 - accuracy, "accuracy": accuracy - 0.01},
        epochs=EPOCHS // 2 if paused else EPOCHS,
        ran={
            "device": "NVIDIA <b>H100</b>",
            "precision": "bfloat16" if number % 2 else "float32",
            "graphs": "no: it prints",
        },
        seconds=2.0 + width / 100,
        **common,
    )


def _reports(trial: Trial) -> Sequence[EpochReport]:
    final = trial.metrics.get("accuracy", 0.2)
    found = []
    for epoch in range(1, (trial.epochs or 2) + 1):
        accuracy = final * (1 - math.exp(-epoch))
        values = {"loss": 1 - accuracy, "accuracy": accuracy}
        found.append(EpochReport(epoch, values, 1 - accuracy, 0.5, 1000.0))
    return found
