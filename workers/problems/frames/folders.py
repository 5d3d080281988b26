"""Frames from folders of images: a folder for each class, and above these one for each part, if any."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from search_spaces.errors import ProblemError
from workers.problems.frames.images import ENDINGS

IMAGE, LABEL = "image", "label"
"""The columns of the frames."""

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
"""What folders of parts are called."""


def read_folder(path: str | os.PathLike[str]) -> dict[str, pd.DataFrame]:
    """Returns frames of the paths of images and their labels, by part; all are ``train`` where none is named.

    Args:
        path: the folder.

    Raises:
        ProblemError: there is no such folder, or it has no images in folders that name their classes.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ProblemError(f"{folder}: there is no such folder")
    own = {child.name.lower(): child for child in sorted(folder.iterdir()) if child.is_dir()}
    parts = {part: next((own[n] for n in names if n in own), None) for part, names in PARTS.items()}
    if parts["train"] is None:
        return {"train": _classes(folder)}
    return {part: _classes(place) for part, place in parts.items() if place is not None}


def _classes(folder: Path) -> pd.DataFrame:
    rows = [
        (str(file.resolve()), child.name)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
        for file in sorted(child.rglob("*"))
        if file.suffix.lower() in ENDINGS
    ]
    if not rows:
        lone = sum(file.suffix.lower() in ENDINGS for file in folder.iterdir())
        what = f"{lone} images that are in none" if lone else "none"
        raise ProblemError(
            f"{folder}: expected images in a folder for each class, such as {folder / 'cat' / '1.png'}, got "
            f"{what}; labels of another kind go into a table with a column of paths (--data labels.csv)"
        )
    return pd.DataFrame(rows, columns=[IMAGE, LABEL])
