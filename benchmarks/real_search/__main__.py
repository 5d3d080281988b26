"""Runs what is not in the file of runs yet, two methods side by side, and shows what the file says."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import finish, markdown
from benchmarks.real_search.methods import METHODS, OPTUNA, OURS, PLAIN, RUN
from benchmarks.real_search.problems import LONG, SHORT, draw_of, in_folder
from benchmarks.real_search.rows import FAILED, LACKING, Case, Rows
from benchmarks.real_search.tables import Comparison
from benchmarks.recording import record

ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).parent / "rows.jsonl"
PLACE = "real_search"

GRACE = 600.0
"""Seconds, beside twice its own, after which a run is given up: `sanity` takes as long as it takes."""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_search", description=__doc__)
    parser.add_argument("--seconds", default="200,800", help="the budgets; default 200,800")
    parser.add_argument("--seeds", default="0,1", help="of splits and methods; default 0,1")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME", default=list(RUN))
    parser.add_argument("--only", nargs="+", metavar="PROBLEM", help="these problems, for each budget")
    parser.add_argument("--folder", type=Path, help="of fashion_mnist.npz and mnist_small.npz")
    parser.add_argument(
        "--python",
        nargs="+",
        metavar="METHOD=PATH",
        default=[],
        help="interpreters of methods whose packages do not go together with ours",
    )
    parser.add_argument("--rows", type=Path, help="the file of the runs")
    parser.add_argument("--record", action="store_true", help="write the tables into RESULTS.md")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    parser.add_argument("--quick", action="store_true", help="one problem, three methods, six seconds")
    given = parser.parse_args(arguments)
    if given.quick:
        given.only, given.methods = given.only or ["digits_vectors"], [OURS, PLAIN, OPTUNA]
        given.seconds, given.seeds = "6", "0"
        given.rows = given.rows or Path(tempfile.mkdtemp()) / ROWS.name
    given.rows = given.rows or ROWS
    given.seconds = [float(one) for one in str(given.seconds).split(",")]
    given.seeds = [int(one) for one in str(given.seeds).split(",")]
    given.python = dict(one.split("=", 1) for one in given.python)
    for name in given.only or ():
        draw_of(name, given.folder)  # an unknown one is said now
    return given


def cases(given: argparse.Namespace) -> list[Case]:
    """All that is to be run: seed after seed, each with its problems and their methods in shuffled order."""
    problems = given.only or [*SHORT, *in_folder(given.folder)]
    found = []
    for seed in given.seeds:
        rng = random.Random(seed)
        own = [
            (problem, seconds)
            for place, seconds in enumerate(given.seconds)
            for problem in problems
            if place == 0 or given.only or problem in LONG
        ]
        rng.shuffle(own)
        for problem, seconds in own:
            methods = [*given.methods]
            rng.shuffle(methods)
            found += [Case(problem, seconds, seed, method) for method in methods]
    return found


def command(case: Case, given: argparse.Namespace, core: int | None) -> list[str]:
    """The command of a run."""
    python = given.python.get(case.method, sys.executable)
    words = [python, "-m", "benchmarks.real_search.run", case.method, case.problem]
    words += [f"{case.seconds:g}", str(case.seed)]
    words += [] if given.folder is None else ["--folder", str(given.folder)]
    return words + ([] if core is None else ["--core", str(core)])


def run(case: Case, given: argparse.Namespace, core: int | None) -> dict[str, Any]:
    """Runs a case in a process of its own, and all that it starts with it; returns its row."""
    child = subprocess.Popen(
        command(case, given, core),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = child.communicate(timeout=2 * case.seconds + GRACE)
        row: dict[str, Any] = json.loads(out.splitlines()[-1])
    except subprocess.TimeoutExpired:
        row = {"status": FAILED, "reason": "still running after twice its time"}
    except (IndexError, ValueError):
        row = {"status": FAILED, "reason": f"exit status {child.returncode}\n{errors[-2000:]}"}
    finally:
        _end(child)
    return row | {"core": core, **about()}


def _end(child: subprocess.Popen[str]) -> None:
    """Ends a process with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def about() -> dict[str, Any]:
    """When, and with which code."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    commit = git("rev-parse", "--short", "HEAD") + (", changed" if changed else "")
    return {"at": datetime.datetime.now().isoformat(timespec="seconds"), "commit": commit}


def run_all(given: argparse.Namespace, rows: Rows) -> None:
    """Runs what is not there yet, one case on each core of two."""
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases(given):
        if not rows.has(case):
            waiting.put(case)
    there = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None, None]
    lanes = [threading.Thread(target=_lane, args=(waiting, given, rows, core)) for core in there[:2]]
    for lane in lanes:
        lane.daemon = True  # Ctrl-C ends all; the runs on their way have no row then
        lane.start()
    for lane in lanes:
        lane.join()


def _lane(waiting: queue.SimpleQueue[Case], given: argparse.Namespace, rows: Rows, core: int | None) -> None:
    while True:
        try:
            case = waiting.get_nowait()
        except queue.Empty:
            return
        row = run(case, given, core)
        rows.append(case, row)
        print(f"{case.problem}, {case.seconds:g} s, seed {case.seed}, {case.method}: {said(row)}", flush=True)


def said(row: Mapping[str, Any]) -> str:
    """A row for people."""
    if row["status"] in (FAILED, LACKING):
        return f"{row['status']}: {row['reason'].strip().splitlines()[-1]}"
    test = "no network" if row["test"] is None else f"{100 * row['test']:.2f} %"
    whole = "" if row["whole"] else ", not trained to its end"
    trials = f"{row['finished']} of {row['begun']} trials, {row['took']:.1f} s"
    words = f"{test}{whole}; {trials}; {row['network']:.90}"
    return f"{words}; {row['note']:.120}" if row["note"] else words


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and show what the file says."""
    given = options(arguments)
    rows = Rows(given.rows)
    if not given.tables:
        run_all(given, rows)
    comparison = Comparison(rows.rows)
    tables, targets = comparison.tables(), comparison.targets()
    written = [markdown(*table) for table in tables]
    print("\n\n".join(["", *written, ""]))  # too wide for a frame
    if given.record:
        record(PLACE, "python -m benchmarks.real_search", written, targets)
    figures = {
        "runs": len(comparison.rows),
        "scores": {
            f"{problem}, {seconds:g} s": {method: [*own.values()] for method, own in by_method.items()}
            for (problem, seconds), by_method in comparison.scores.items()
        },
    }
    finish("real_search", figures, targets)


if __name__ == "__main__":
    main()
