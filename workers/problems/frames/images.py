"""Columns of paths to images."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces import inputs
from search_spaces.errors import ProblemError
from workers.problems.frames.columns import Floats, LoneColumn, as_words, check_some

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""How the names of files end that are taken for images."""

LARGEST = 128
"""Images of different sizes are brought to the median one, with sides of so many pixels at the most."""

MOST_PIXELS = 4096
"""So many pixels a side may have."""

LOOKED_AT = 200
"""So many images say what size they have."""


@dataclass(frozen=True)
class ImageColumn(LoneColumn):
    """Paths to images, which are brought to one size, from 0 to 1.

    Attributes:
        channels: 1 where all that were looked at are grey, else 3.
        height, width: their size in pixels.
    """

    kind = "image"

    channels: int
    height: int
    width: int

    @staticmethod
    def learn(values: pd.Series[Any]) -> ImageColumn:
        words = as_words(values)
        check_some(values, words.isna().to_numpy())
        there = words.dropna()
        some = there.iloc[:: max(1, len(there) // LOOKED_AT)]
        sizes: Counter[tuple[int, int]] = Counter()
        grey = True
        for path in some:
            with _opened(values.name, path) as image:
                sizes[image.height, image.width] += 1
                grey &= image.mode in ("1", "L", "I;16", "I", "F")
        height, width = next(iter(sizes)) if len(sizes) == 1 else _median(sizes)
        return ImageColumn(str(values.name), 1 if grey else 3, height, width)

    @property
    def input(self) -> inputs.Image:
        return inputs.Image(self.channels, self.height, self.width)

    def array(self, values: pd.Series[Any]) -> Floats:
        """Returns float32 ``(N, channels, height, width)``; zeros where there is no path.

        Raises:
            ProblemError: a file is missing or no image.
        """
        found = np.zeros((len(values), self.channels, self.height, self.width), dtype=np.float32)
        for place, path in enumerate(as_words(values)):
            if path is not None:
                found[place] = _read(self.name, path, self.channels, (self.height, self.width))
        return found

    def missing(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        return np.asarray(as_words(values).isna())


def broken_paths(values: pd.Series[Any]) -> NDArray[np.bool_]:
    """Returns which paths of a column lead to no image that can be read, bool ``(N,)``."""
    found = np.zeros(len(values), dtype=bool)
    for place, path in enumerate(as_words(values)):
        if path is not None:
            try:
                _read(values.name, path)
            except ProblemError:
                found[place] = True
    return found


def with_paths_from(file: str | os.PathLike[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a frame whose paths of images begin where its file lies.

    Args:
        file: the file of the frame.
        frame: its rows.
    """
    folder = Path(file).expanduser().resolve().parent
    found = frame
    for name in frame.columns:
        words = frame[name].dropna()
        if len(words) and all(map(_is_path, words)):
            paths = [str(folder / word) if isinstance(word, str) else word for word in frame[name]]
            found = found.assign(**{str(name): paths})
    return found


def _is_path(word: object) -> bool:
    return isinstance(word, str) and word.lower().endswith(ENDINGS)


def _read(name: object, path: str, channels: int = 1, size: tuple[int, int] | None = None) -> Floats:
    """Returns the pixels of an image, from 0 to 1.

    Args:
        name, path: the column and the file.
        channels: 1 or 3.
        size: the height and width that it is brought to; None: it stays as it is.

    Raises:
        ProblemError: the file is missing or no image.
    """
    with _opened(name, path) as image:
        try:
            deep = image.mode in ("I;16", "I")
            plain = image if deep else image.convert("L" if channels == 1 else "RGB")
            if size not in (None, (plain.height, plain.width)):
                plain = plain.resize(size[::-1])
            pixels = np.asarray(plain, dtype=np.float32) / (65535.0 if deep else 255.0)
        except (OSError, ValueError, SyntaxError) as error:
            raise ProblemError(_no_image(name, path, error)) from None
    return (
        np.broadcast_to(pixels[None], (channels, *pixels.shape))
        if pixels.ndim == 2
        else pixels.transpose(2, 0, 1)
    )


def _opened(name: object, path: str) -> Image:
    """An image that is open, its header read.

    Raises:
        ProblemError: there is no such file, it is no image, or Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ProblemError(
            f"column {name!r}: images need Pillow; install the extra: pip install 'nasforge[images]'"
        ) from None
    try:
        image = Image.open(Path(path).expanduser())
    except FileNotFoundError:
        raise ProblemError(f"column {name!r}: there is no file {path}") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ProblemError(_no_image(name, path, error)) from None
    if max(image.height, image.width) > MOST_PIXELS * 4:
        raise ProblemError(f"column {name!r}: {path} is too large: {image.width} x {image.height} pixels")
    return image


def _no_image(name: object, path: str, error: Exception) -> str:
    return f"column {name!r}: {path} is no image that can be read ({str(error)[:80]})"


def _median(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    height, width = (int(np.median([size[axis] for size in sizes.elements()])) for axis in (0, 1))
    scale = min(1.0, LARGEST / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))
