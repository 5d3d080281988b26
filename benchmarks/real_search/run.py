"""One run, in a process of its own on one core; the last line that it prints is its row as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_search.run", description=__doc__)
    parser.add_argument("method")
    parser.add_argument("problem")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--core", type=int, help="the core to stay on")
    given = parser.parse_args()
    # before torch is imported, and for all that it starts
    os.environ |= dict.fromkeys(THREADS, "1")
    if given.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    print(json.dumps(row_of(given.method, given.problem, given.seconds, given.seed, given.folder)))
    sys.stdout.flush()
    os._exit(0)  # what a method has left running is not waited for


def row_of(method: str, problem: str, seconds: float, seed: int, folder: Path | None) -> dict[str, Any]:
    """Runs a method; whatever goes wrong in it is its row."""
    import torch

    from benchmarks.real_search.methods import method_of
    from benchmarks.real_search.problems import draw_of, main_score
    from benchmarks.real_search.rows import DONE, FAILED, LACKING

    torch.set_num_threads(1)
    try:
        call = method_of(method)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("benchmarks", "nas", "workers")):
            raise
        return {"status": LACKING, "reason": f"the package {error.name} is not installed"}
    try:
        data = draw_of(problem, folder)(seed)
        row = {"metric": main_score(data), "examples": len(data.train), "load": os.getloadavg()[0]}
        _warm_up(data)
        return {"status": DONE, **row, **asdict(call(data, seconds, seed))}
    except Exception:
        return {"status": FAILED, "reason": traceback.format_exc()[-3000:]}


def _warm_up(problem: Any) -> None:
    """Imports what is imported late, which is of no method's time: by torch's first network, and ours."""
    import torch

    from benchmarks.real_search.ours import space_of
    from controllers import catalog
    from workers.recipe import Recipe
    from workers.training.training import train

    for name in catalog:
        catalog[name]
    few = torch.arange(min(64, len(problem.train)))
    small = type(problem)(
        "warm-up",
        problem.signature,
        *(
            getattr(problem, part).select(few % len(getattr(problem, part)))
            for part in ("train", "validation")
        ),
        problem.test.select(few % len(problem.test)),
    )
    network = space_of(problem, pauses=True).plain().build(problem.signature)
    for _ in train(network, small, Recipe(epochs=1), seed=0):
        pass


if __name__ == "__main__":
    main()
