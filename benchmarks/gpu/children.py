"""Processes of our own, each with a pipe: a context on the card of its own, as a worker has."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

_CONTEXT = multiprocessing.get_context("spawn")  # a context of CUDA does not survive a fork


class LostChildError(RuntimeError):
    """A process ended, or raised, where it was to answer."""


class Child:
    """A process that runs a function of a module, which is given its end of a pipe and the arguments.

    Args:
        function: called as ``function(pipe, *arguments)``.
        arguments: what pickles.
        environment: variables that it starts with besides those of this process.
        parent: whether it has children of its own.
    """

    def __init__(
        self,
        function: Callable[..., None],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
        parent: bool = False,
    ) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        # Python lets no daemon have children
        self._process = _CONTEXT.Process(target=_serve, args=(function, theirs, arguments), daemon=not parent)
        with _variables(environment or {}):
            self._process.start()
        theirs.close()

    @property
    def number(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def send(self, message: Any) -> None:
        """Sends what pickles."""
        self.pipe.send(message)

    def receive(self, seconds: float) -> Any:
        """Returns what it sent.

        Raises:
            LostChildError: it has ended or raised, or sent nothing for so long.
        """
        if not self.pipe.poll(max(0.0, seconds)):
            raise LostChildError(f"process {self.number} sent nothing for {seconds:.0f} seconds")
        try:
            message = self.pipe.recv()
        except EOFError:
            self._process.join(5)
            raise LostChildError(f"process {self.number} ended with {self._process.exitcode}") from None
        if isinstance(message, _Raised):
            raise LostChildError(f"process {self.number} raised:\n{message.text}")
        return message

    def end(self, seconds: float = 5.0) -> None:
        """Lets it end, or ends it."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.pipe.close()


class _Raised:
    """What a process raised."""

    def __init__(self, text: str) -> None:
        self.text = text


def _serve(function: Callable[..., None], pipe: Connection, arguments: tuple[Any, ...]) -> None:
    try:
        function(pipe, *arguments)
    except (EOFError, BrokenPipeError):  # the other end is gone, and so is who would listen
        pass
    except BaseException:
        with contextlib.suppress(OSError):
            pipe.send(_Raised(traceback.format_exc()[-3000:]))
        os._exit(1)  # a broken context of CUDA may hang at an orderly end


@contextlib.contextmanager
def _variables(changed: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_all(children: list[Child]) -> None:
    """Ends them, all at once."""
    for child in children:
        with contextlib.suppress(OSError):
            child.pipe.send(None)
    until = time.monotonic() + 5
    for child in children:
        child.end(max(0.1, until - time.monotonic()))
