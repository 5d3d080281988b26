"""The fashion_mnist problem: 70,000 pictures of clothes, read from files in a folder that the user names."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image, Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workers.problems.problem import Problem

    Bytes = NDArray[np.uint8]

ENVIRONMENT = "NAS_DATA"
"""The environment variable that names the folder when the option does not."""

ARCHIVE = "fashion_mnist.npz"
IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
SUBFOLDERS = ("", "fashion_mnist", "fashion-mnist", "FashionMNIST/raw")
HELD_OUT = 10_000


@checked(ProblemError)
def fashion_mnist(folder: str | os.PathLike[str] | None = None) -> Problem:
    """Pictures of clothes, 28x28 pixels, 10 classes (50,000 / 10,000 / 10,000); files in a folder you name.

    Input ``image`` (1, 28, 28) in [0, 1]; task ``clothing``. Validation is the last 10,000 pictures of the
    training set. Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), MIT licence.

    Args:
        folder: the folder of ``fashion_mnist.npz`` (arrays x_train, y_train, x_test, y_test) or of the four
            original IDX files, gzipped or not; left out, the environment variable ``NAS_DATA`` names it.

    Raises:
        ProblemError: no such files, or files that are not what their names say.
    """
    import torch

    from workers.problems.problem import Problem

    named = folder if folder is not None else os.environ.get(ENVIRONMENT)
    wanted = f"{ARCHIVE}, or {', '.join(IDX.values())} (each with or without .gz)"
    if not named:
        raise ProblemError(
            f"fashion_mnist: no folder named: give the option folder=..., or set {ENVIRONMENT}; "
            f"it must hold {wanted}"
        )
    try:
        place = Path(named).expanduser()
        found = _find(place)
    except (OSError, RuntimeError) as error:  # a name that is too long, a home of nobody
        raise ProblemError(f"fashion_mnist, folder {str(named)!r:.80}: {error!s:.200}") from error
    if found is None:
        places = ", ".join(str(Path(named, sub)) for sub in SUBFOLDERS)
        raise ProblemError(f"fashion_mnist: no data found. Looked for {wanted}; looked in {places}")
    read_from, arrays = found
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for part in ("train", "test"):
        shape = tuple(tensors[f"x_{part}"].shape)
        if len(shape) != 3 or shape[1:] != (28, 28):
            raise ProblemError(f"fashion_mnist, {part}: expected images (N, 28, 28) in {named}, got {shape}")
    count = len(tensors["x_train"])
    if count <= HELD_OUT:
        raise ProblemError(f"fashion_mnist: expected over {HELD_OUT} training images in {named}, got {count}")
    images = {part: tensors[f"x_{part}"].unsqueeze(1).float() / 255 for part in ("train", "test")}
    labels = {part: tensors[f"y_{part}"].long() for part in ("train", "test")}
    problem = Problem.from_tensors(
        "fashion_mnist",
        (images["train"][:-HELD_OUT], labels["train"][:-HELD_OUT]),
        (images["train"][-HELD_OUT:], labels["train"][-HELD_OUT:]),
        (images["test"], labels["test"]),
        signature=Signature({"image": Image(1, 28, 28)}, {"clothing": Classification(10)}),
        description="Pictures of clothes of 28x28 pixels (Fashion-MNIST)",
        options={"folder": str(place.resolve())},
        copy=False,
    )
    return problem.with_files(read_from)


def _find(folder: Path) -> tuple[tuple[tuple[str, int, int], ...], dict[str, Bytes]] | None:
    """The four arrays from the first place that has them, and what their files were before; see `Problem`."""
    import numpy as np

    for place in (folder / sub for sub in SUBFOLDERS):
        archive = place / ARCHIVE
        if archive.is_file():
            try:
                stamps = _stamps([archive])
                with np.load(archive, allow_pickle=False) as data:
                    return stamps, {name: data[name] for name in IDX}
            except (OSError, KeyError, ValueError, BadZipFile) as error:
                raise ProblemError(f"fashion_mnist: cannot read {archive}: {error}") from error
        found = {
            name: next((path for path in (place / file, place / f"{file}.gz") if path.is_file()), None)
            for name, file in IDX.items()
        }
        paths = {name: path for name, path in found.items() if path is not None}
        if len(paths) == len(IDX):
            return _stamps(paths.values()), {name: read_idx(path) for name, path in paths.items()}
        if paths:
            missing = [IDX[name] for name in IDX if name not in paths]
            raise ProblemError(f"fashion_mnist: {place} lacks {', '.join(missing)}")
    return None


def _stamps(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    stats = [(str(path.resolve()), path.stat()) for path in paths]
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def read_idx(path: Path) -> Any:
    """An IDX file of bytes, gzipped or not.

    A magic number ``0 0 8 dimensions``, the sizes as big-endian int32, the bytes.

    Raises:
        ProblemError: it is no such file, or cut short.
    """
    import numpy as np

    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ProblemError(f"fashion_mnist: cannot read {path}: {error}") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ProblemError(f"{path}: expected an IDX file of bytes (00 00 08 ..), got {content[:4].hex(' ')}")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack_from(f">{dimensions}i", content, 4) if len(content) >= start else ()
    if len(content) - start != math.prod(shape):
        came = len(content) - start
        raise ProblemError(f"{path}: expected {math.prod(shape)} bytes for shape {shape}, got {came}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
