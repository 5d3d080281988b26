"""Whether a training comes to the same again: to the bit on one machine, and wherever its data and state lie.

Each plain network is trained twice with ``deterministic``, once more with its data in main memory, from where
they are sent to the card, and once more with a pause in between after which it goes on elsewhere: begun on
the card and ended on the CPU, and the other way round. The first three must agree to the bit; where a
training moves, it must go on and end.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.common import at_most, show
from benchmarks.gpu.card import is_broken
from benchmarks.gpu.setting import Measured, Setting, missing_package, say
from benchmarks.gpu.step import StepCase, cases
from search_spaces.space import Space
from workers.acceleration import Acceleration
from workers.job import Finished, Job, Reported
from workers.problems.problem import Problem
from workers.trial import trial

DETERMINISTIC = Acceleration(deterministic=True)


def end_of(job: Job, data: Problem, device: str) -> Finished:
    """Runs a job to its end.

    Raises:
        RuntimeError: the trial failed.
    """
    *_, end = trial.run(job, data, device=device, acceleration=DETERMINISTIC)
    if not isinstance(end, Finished):
        raise RuntimeError(f"the trial failed: {getattr(end, 'message', end)}")
    return end


def repeats(case: StepCase, device: str) -> dict[str, bool]:
    """Whether trainings agree, by what was other in the second one."""
    model = case.architecture.value
    architecture = Space({"model": model, "recipe": {"epochs": 2, "batch_size": 32}}).architecture({})
    elsewhere = case.problem.to("cpu")
    there = case.problem.to(device)
    job = Job(0, architecture, seed=1)
    first = end_of(job, there, device)
    found = {
        "nothing": _same(first, end_of(job, there, device)),
        "data in main memory": _same(first, end_of(job, elsewhere, device)),
    }
    for begin, end in ((device, "cpu"), ("cpu", device)):
        paused = end_of(Job(1, architecture, seed=1, until=1), elsewhere, begin)
        rest = Job(2, architecture, seed=1, checkpoint=paused.checkpoint)
        events = list(trial.run(rest, elsewhere, device=end, acceleration=DETERMINISTIC))
        went_on = [event.report.epoch for event in events if isinstance(event, Reported)]
        found[f"from {begin} to {end}"] = went_on == [2] and isinstance(events[-1], Finished)
    return found


def _same(one: Finished, other: Finished) -> bool:
    same = one.metrics == other.metrics and one.test_metrics == other.test_metrics
    return same and one.weights.read() == other.weights.read()


def measure(setting: Setting) -> Measured:
    """Trains every plain network that there is time for."""
    known = cases(96 if setting.quick else 1024)
    if setting.quick:
        known = {name: known[name] for name in ("series", "mlp")}
    figures: dict[str, Any] = {}
    skipped: list[str] = []
    failed: dict[str, str] = {}
    for name, case in known.items():
        if setting.left() < 3 and not setting.quick:
            skipped.append(f"{name}: no time left")
            continue
        if setting.on_card and is_broken():
            skipped.append(f"{name}: what came before left this process without a usable card")
            continue
        try:
            figures[name] = repeats(case, setting.device)
        except Exception as error:
            lacking = missing_package(error)
            if lacking is not None:
                skipped.append(f"{name}: needs {lacking}")
                continue
            failed[name] = f"{type(error).__name__}: {error!s:.300}"
            say(f"  {name}: FAILED: {failed[name]}")
        if setting.on_card:
            torch.cuda.empty_cache()
    rows = [
        [name, what, "yes" if same else "NO"] for name, one in figures.items() for what, same in one.items()
    ]
    show("Trainings that come to the same", ["network", "what was other", "the same"], rows)
    apart = sum(not same for one in figures.values() for same in one.values())
    targets = [
        at_most("trainings that differ or do not go on", setting.judged(apart if figures else None), 0),
        at_most("networks that failed", setting.judged(len(failed)), 0),
    ]
    return Measured({**figures, "failed": failed}, targets, skipped)
