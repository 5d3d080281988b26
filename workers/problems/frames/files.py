"""Frames from files: CSV and Parquet, whatever is wrong with them said in one line."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pandas as pd

from search_spaces.errors import ProblemError

READERS = {".csv": ",", ".tsv": "\t", ".parquet": "", ".pq": ""}
"""The endings of files that are read, with what stands between the cells of a text."""


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Returns the rows of a file.

    A CSV file has a line of names first; it may be compressed (``.csv.gz``). Empty cells are missing values.

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
            if READERS[ending]:
                return pd.read_csv(file, sep=READERS[ending], encoding="utf-8")
            return pd.read_parquet(file)
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
