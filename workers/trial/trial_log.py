"""What a trial prints: kept for its last event, and passed on to where it would have gone."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any

LENGTH = 65_536
"""Bytes of the end of a log that are kept, in UTF-8."""

_LINES = logging.Formatter("%(levelname)s %(name)s: %(message)s")


class TrialLog:
    """The end of what a thread prints, warns and logs inside ``with``; may be entered again and again.

    All of it still goes where it went before. Not seen: what other threads print, and what goes to the file
    descriptors directly (C code, subprocesses).
    """

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._length = 0
        self._thread: int | None = None
        self._outside: tuple[Any, ...] = ()

    def write(self, text: str) -> None:
        """Adds to the log alone."""
        if text:
            self._parts.append(text[-LENGTH:])
            self._length += len(self._parts[-1])
        while self._parts and self._length - len(self._parts[0]) >= LENGTH:
            self._length -= len(self._parts.popleft())

    def text(self) -> str:
        """The end of the log."""
        data = "".join(self._parts).encode(errors="replace")
        return data[-LENGTH:].decode(errors="ignore")

    def hears(self) -> bool:
        """Whether this thread is listened to now."""
        return threading.get_ident() == self._thread

    def __enter__(self) -> None:
        self._outside = sys.stdout, sys.stderr, logging.getLogRecordFactory()
        self._thread = threading.get_ident()
        sys.stdout, sys.stderr = _Tee(sys.stdout, self), _Tee(sys.stderr, self)
        # Not a handler: with one in place, ``logging.basicConfig`` in a network's code would do nothing.
        logging.setLogRecordFactory(self._record)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread = None
        sys.stdout, sys.stderr, factory = self._outside
        logging.setLogRecordFactory(factory)

    def _record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._outside[2](*args, **kwargs)
        if self.hears() and not self._is_printed(record):
            with contextlib.suppress(Exception):  # arguments that do not fit: the logger's handlers say so
                self.write(_LINES.format(record) + "\n")
        return record

    def _is_printed(self, record: logging.LogRecord) -> bool:
        """Whether a handler writes it to one of our streams, so that it comes here that way."""
        handlers: list[logging.Handler | None] = []
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            handlers += logger.handlers
            logger = logger.parent if logger.propagate else None
        for handler in handlers or [logging.lastResort]:
            stream = getattr(handler, "stream", None)
            if isinstance(stream, _Tee) and stream.log is self:
                return handler is not None and record.levelno >= handler.level
        return False


class _Tee:
    """A stream that passes on what is written to it, and adds it to a log while that listens.

    Somebody may keep it for longer than the trial (``logging.StreamHandler`` does): it still passes on.
    """

    def __init__(self, stream: Any, log: TrialLog) -> None:
        self.stream, self.log = stream, log

    def write(self, text: str) -> int:
        if self.stream is not None:  # where there is no console, Python has none
            self.stream.write(text)
        if self.log.hears() and isinstance(text, str):
            self.log.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self.stream is not None:
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
