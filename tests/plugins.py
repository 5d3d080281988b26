"""Installed packages for tests: a folder on the path with what pip would have put there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"
"""The package of the examples that is a plug-in."""


def install_example(site: Path) -> None:
    """Install the package of the examples in a folder, with the entry points that its project file names."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    for package in ("nasforge_example",):
        shutil.copytree(EXAMPLE / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    install(site, project["name"], project["version"], project["entry-points"])


def install(site: Path, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> Path:
    """Tell the folder that a package is installed there; returns what describes it."""
    about = site / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, named in points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in named.items()), ""]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return about


def run_with(site: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with these words where that folder is on the path; ``nas`` stands for the command line."""
    words = ("-m", "nas.cli", *words[1:]) if words[0] == "nas" else words
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join([str(site), here, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
