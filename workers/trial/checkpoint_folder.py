"""The folder in which a trial keeps its checkpoints, on any storage that fsspec knows."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from typing import Any

from fsspec.core import url_to_fs

from search_spaces.errors import ExecutorError, FormatError
from workers.job import Checkpoint, Weights

_WHOLE = re.compile(r"epoch-(\d{1,9})\.safetensors")
_BEGUN = ".part"
"""How the name of what is being written ends; where a crash leaves it, it is never read."""


@dataclass(frozen=True)
class SavedWeights(Weights):
    """Weights, or a trial's state, in a file at a URI: read on any machine that reaches it."""

    uri: str

    def read(self, most: int | None = None) -> bytes:
        """Returns what is in the file.

        Args:
            most: the number of bytes that it can have; None: any.

        Raises:
            ExecutorError: it is not there, or cannot be read.
            FormatError: it is no file (a pipe or a device would never end), or has more bytes.
        """
        try:
            files, path = url_to_fs(self.uri)
            files.invalidate_cache()
            kind = files.info(path)["type"]
            data = b""
            if kind == "file":
                with files.open(path, "rb") as file:
                    data = file.read(-1 if most is None else most + 1)
        except Exception as error:  # each storage has its own
            raise ExecutorError(f"{self.uri} cannot be read: {type(error).__name__}: {error}") from error
        if kind != "file":
            raise FormatError(f"{self.uri}: expected a file, and it is none")
        if most is not None and len(data) > most:
            raise FormatError(f"{self.uri}: expected {most} bytes at the most, got more")
        return data


class CheckpointFolder:
    """A trial's own folder, with its latest checkpoint.

    A process may die at any moment: the checkpoint before stays until the new one is whole. The folder does
    not look into what it keeps (see `workers.trial.checkpoint_format`).

    Args:
        uri: the folder: a path, ``file://``, ``memory://``, ``s3://`` ...; the folder is made with the first
            save.
    """

    def __init__(self, uri: str) -> None:
        # a path means the same in every process, wherever that was started
        self.uri = (uri if "://" in uri else os.path.abspath(uri)).rstrip("/")

    def save(self, epoch: int, data: bytes) -> Checkpoint:
        """Keeps the state after an epoch; those of earlier epochs go once it is whole.

        Raises:
            ExecutorError: the storage does not take it (full, out of reach, not permitted, of no known kind).
        """
        name = f"epoch-{epoch}.safetensors"
        try:
            files, folder = self._open()
            files.makedirs(folder, exist_ok=True)
            begun = f"{folder}/{name}.{uuid.uuid4().hex}{_BEGUN}"
            try:
                files.pipe_file(begun, data)
                files.mv(begun, f"{folder}/{name}")
            except BaseException:
                _discard(files, begun)
                raise
        except Exception as error:
            raise self._error(f"the checkpoint of epoch {epoch} cannot be saved", error) from error
        with contextlib.suppress(Exception):  # saved it is; what is left behind goes with the folder
            for path in _paths(files, folder):
                if 0 <= _epoch(path) < epoch:
                    _discard(files, path)
        return self._checkpoint(epoch)

    def saved(self) -> list[Checkpoint]:
        """Returns what is there, the latest first. Clears away what a crash has left half written.

        Raises:
            ExecutorError: the storage does not answer.
        """
        try:
            files, folder = self._open()
            paths = _paths(files, folder)
        except Exception as error:
            raise self._error("checkpoints cannot be listed", error) from error
        for path in paths:
            if path.endswith(_BEGUN):
                _discard(files, path)
        epochs = sorted((epoch for path in paths if (epoch := _epoch(path)) >= 0), reverse=True)
        return [self._checkpoint(epoch) for epoch in epochs]

    def remove(self) -> None:
        """Removes the folder with all that is in it; there need be none.

        Raises:
            ExecutorError: the storage does not do it.
        """
        try:
            files, folder = self._open()
            with contextlib.suppress(FileNotFoundError):
                files.rm(folder, recursive=True)
        except Exception as error:
            raise self._error("the folder cannot be removed", error) from error

    def _open(self) -> tuple[Any, str]:
        files, folder = url_to_fs(self.uri)
        files.invalidate_cache()  # others write there, too
        return files, folder

    def _checkpoint(self, epoch: int) -> Checkpoint:
        return Checkpoint(epoch, SavedWeights(f"{self.uri}/epoch-{epoch}.safetensors"))

    def _error(self, what: str, error: Exception) -> ExecutorError:
        return ExecutorError(f"{self.uri}: {what}: {type(error).__name__}: {error!s:.300}")


def _paths(files: Any, folder: str) -> list[str]:
    try:
        return [str(path) for path in files.ls(folder, detail=False)]
    except FileNotFoundError:
        return []


def _epoch(path: str) -> int:
    """The epoch whose state a path names; -1 where it is none."""
    match = _WHOLE.fullmatch(path.rsplit("/", 1)[-1])
    return int(match[1]) if match else -1


def _discard(files: Any, path: str) -> None:
    """Removes what is never read again; should that fail, it goes with the folder."""
    with contextlib.suppress(Exception):
        files.rm_file(path)
