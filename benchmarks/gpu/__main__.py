"""Runs the parts one after another; see the package."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import benchmarks.gpu
from benchmarks.common import Target, finish, show
from benchmarks.gpu.card import describe, is_broken
from benchmarks.gpu.children import Child, LostChildError
from benchmarks.gpu.setting import Measured, Setting, missing_package, say

SHARES = {
    "agreement": 45,
    "step": 60,
    "packing": 110,
    "failures": 25,
    "repeats": 15,
    "search": 30,
    "nccl": 15,
    "exports": 15,
}
"""The parts in the order of their worth; of the time that is left each has the share that this says."""

LEAST = {
    "agreement": 5,
    "step": 10,
    "packing": 60,
    "failures": 15,
    "repeats": 10,
    "search": 20,
    "nccl": 12,
    "exports": 8,
}
"""The seconds on a card without which a part is not begun."""

NEEDS = {
    "search": ("ray", "optuna", "sqlalchemy", "alembic", "sklearn"),
    "exports": ("sqlalchemy", "alembic"),
}
"""Packages without which a part ends at once: its share of the time is the others'."""

TRACEBACK = 3000
"""The characters of a traceback's end that are told."""


def options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=benchmarks.gpu.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", choices=list(SHARES), metavar="PART", help="these parts")
    parser.add_argument("--seconds", type=float, default=240.0, help="for all parts together")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="left out: the card, where there is one")
    parser.add_argument("--quick", action="store_true", help="few and small cases; within a minute")
    parser.add_argument("--folder", type=Path, help="of Fashion-MNIST; left out: pictures are generated")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(tempfile.gettempdir()) / "benchmarks-gpu.jsonl",
        help="the file that a line is appended to for each part",
    )
    given = parser.parse_args()
    if not given.seconds > 0:
        parser.error(f"--seconds: expected a number above 0, got {given.seconds:g}")
    if given.folder is not None and not given.folder.is_dir():
        parser.error(f"--folder: expected the folder of Fashion-MNIST, there is none at {given.folder}")
    if not given.output.absolute().parent.is_dir():
        parser.error(f"--output: expected a file in a folder that is there, got {given.output}")
    there = torch.cuda.is_available()
    given.device = given.device or ("cuda" if there else "cpu")
    if given.device == "cuda" and not there:
        parser.error("--device cuda: there is no card that torch can use; --device cpu runs all without one")
    return given


def run(name: str, setting: Setting) -> dict[str, Any]:
    """Runs a part; whatever goes wrong in it is what it has to tell."""
    began = time.monotonic()
    line: dict[str, Any] = {"part": name}
    measured: Measured | None = None
    try:
        measured = import_module(f"benchmarks.gpu.{name}").measure(setting)
        line["status"] = "done"
    except (Exception, SystemExit) as error:
        lacking = missing_package(error)
        if lacking is not None:
            line |= {"status": "skipped", "skipped": [f"needs {lacking}"]}
        else:
            line |= {"status": "failed", "error": traceback.format_exc()[-TRACEBACK:]}
    if measured is not None:
        line |= {
            "figures": measured.figures,
            "skipped": list(measured.skipped),
            "targets": [asdict(target) for target in measured.targets],
        }
    return line | {"seconds": round(time.monotonic() - began, 1)}


def run_apart(name: str, setting: Setting) -> dict[str, Any]:
    """Runs a part in a process of its own, for where this one has lost the use of the card."""
    child = Child(_answer, name, setting, parent=True)
    try:
        line: dict[str, Any] = child.receive(setting.seconds + 60)
        return line
    except LostChildError as error:
        return {"part": name, "status": "failed", "error": str(error), "seconds": round(setting.seconds, 1)}
    finally:
        child.end()


def _answer(pipe: Connection, name: str, setting: Setting) -> None:
    pipe.send(run(name, setting))


def tell(line: dict[str, Any]) -> None:
    """Prints how a part went, for people."""
    for what in line.get("skipped", ()):
        say(f"  skipped: {what}")
    if "error" in line:
        say(line["error"])
    say(f"  {line['part']}: {line['status']} after {line['seconds']:.1f} s")


def append(output: Path, line: dict[str, Any]) -> None:
    """Appends a line to a file, so that it is there whatever comes next."""
    with output.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def shares(names: Sequence[str]) -> dict[str, float]:
    """What of the time the parts have that can run here."""
    there = {name: all(find_spec(package) is not None for package in NEEDS.get(name, ())) for name in names}
    return {name: float(SHARES[name]) if there[name] else 0.01 for name in names}


def main() -> None:
    given = options()
    end = time.monotonic() + given.seconds
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    machine = describe(given.device)
    said = {"part": "machine", "at": datetime.datetime.now().isoformat(timespec="seconds"), **machine}
    append(given.output, said)
    say(f"{', '.join(f'{key} {value}' for key, value in machine.items())}; lines go to {given.output}")
    names = [name for name in SHARES if not given.only or name in given.only]
    share = shares(names)
    lines: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        say(f"\n{name}")
        left = end - time.monotonic()
        seconds = left * share[name] / sum(share[one] for one in names[place:])
        if left < (LEAST[name] if given.device == "cuda" else 1):
            line: dict[str, Any] = {
                "part": name,
                "status": "skipped",
                "skipped": ["no time left"],
                "seconds": 0,
            }
        else:
            seconds = max(seconds, min(left, LEAST[name]))
            apart = given.device == "cuda" and is_broken()
            line = (run_apart if apart else run)(
                name, Setting(given.device, given.quick, given.folder, seconds)
            )
        tell(line)
        append(given.output, line)
        lines.append(line)
    summarise(machine, lines)


def summarise(machine: dict[str, str], lines: Sequence[dict[str, Any]]) -> None:
    """Prints how all parts went, and the line for programs."""
    rows = [[line["part"], line["status"], f"{line['seconds']:.1f}"] for line in lines]
    show(f"Parts on {machine['device']}", ["part", "status", "seconds"], rows)
    targets = [Target(**target) for line in lines for target in line.get("targets", ())]
    figures = {"machine": machine} | {
        line["part"]: {key: value for key, value in line.items() if key not in ("part", "targets")}
        for line in lines
    }
    finish("gpu", figures, targets)


if __name__ == "__main__":
    main()
