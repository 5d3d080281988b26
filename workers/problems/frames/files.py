"""Frames from files: CSV and Parquet, whatever is wrong with them said in one line."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import fsspec
import pandas as pd

from search_spaces.errors import ProblemError

READERS = {".csv": ",", ".tsv": "\t", ".parquet": "", ".pq": ""}
"""The endings of files that are read, with what stands between the cells of a text."""

_COMMA = re.compile(r"\s*-?\d+(,\d+)?\s*")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Returns the rows of a file.

    A CSV file has a line of names first; it may be compressed (``.csv.gz``). Empty cells are missing values.
    One whose names are divided by semicolons and not by commas may write numbers with a comma for the point.

    Args:
        path: the file, or its URI as fsspec knows it.

    Raises:
        ProblemError: there is no such file, it is of another kind, or it cannot be read.
    """
    place = str(path) if "://" in str(path) else str(Path(path).expanduser())
    suffixes = Path(place.partition("?")[0]).suffixes
    ending = next((one.lower() for one in reversed(suffixes) if one.lower() in READERS), None)
    if ending is None:
        raise ProblemError(f"{place}: expected a file that ends in {', '.join(READERS)}, or a folder")
    try:
        with fsspec.open(place, "rb", compression="infer") as file:
            return _cells(file.read(), READERS[ending]) if READERS[ending] else pd.read_parquet(file)
    except FileNotFoundError:
        raise ProblemError(f"{place}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ProblemError(
            f"{place}: expected UTF-8, got other bytes ({error.reason} at {error.start}); write it anew: "
            f"pd.read_csv({place!r}, encoding='latin-1').to_csv({place!r}, index=False)"
        ) from None
    except ImportError as error:
        pyarrow = "pyarrow: pip install 'nasforge[parquet]'"
        raise ProblemError(f"{place}: needs {error if READERS[ending] else pyarrow}") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise ProblemError(f"{place}: cannot be read: {str(error).strip().splitlines()[-1]:.200}") from None


def _cells(data: bytes, separator: str) -> pd.DataFrame:
    """Returns the cells of a text."""
    names = data.partition(b"\n")[0]
    if separator != "," or b"," in names or b";" not in names:
        return pd.read_csv(io.BytesIO(data), sep=separator, encoding="utf-8")
    frame = pd.read_csv(io.BytesIO(data), sep=";", encoding="utf-8")
    for name in frame.columns:
        words = frame[name].dropna()
        if len(words) and all(isinstance(word, str) and _COMMA.fullmatch(word) for word in words):
            frame[name] = frame[name].str.replace(",", ".").astype(float)
    return frame
