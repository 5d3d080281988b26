"""What is said of a search whose process is ended from outside, without a chance to say it itself."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

from nas.escaping import one_line

_MOURNER = """
import signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
said = sys.stdin.buffer.read()  # until the other process closes it, or has ended
if said and not said.endswith(b"\\0"):
    error, _, hint = said.rstrip(b"\\n").rpartition(b"\\n")
    sys.stderr.buffer.write(error + b"\\n")
    sys.stderr.flush()
    sys.stdout.buffer.write(hint + b"\\n")
"""
"""A process that waits for another one. It imports nothing, and knows nothing but what it is told."""

_ERROR = (
    "error: this process was ended from outside: it was killed, or the Ray node that it runs on has died; "
    "what was trained is kept"
)


class LastWords:
    """A small process beside this one, which says how to go on with a search if this one cannot.

    A process that is killed says nothing more, and where its Ray node dies (its agent was killed, say), Ray
    ends it at once.
    """

    def __init__(self) -> None:
        self._mourner: subprocess.Popen[bytes] | None = None
        self._told = False

    def tell(self, hint: str) -> None:
        """Says what is to be said: the first time only, for it stays the same."""
        if self._told:
            return
        self._told = True
        with suppress(OSError):  # no room for a process more: then nothing is said
            self._mourner = subprocess.Popen(
                [sys.executable, "-ISc", _MOURNER], stdin=subprocess.PIPE, close_fds=True
            )
            self._write(f"{_ERROR}\n{one_line(hint)}\n".encode())

    def close(self) -> None:
        """Ends that process: this one has said all itself."""
        if self._mourner is None:
            return
        with suppress(OSError):
            self._write(b"\0")
            assert self._mourner.stdin is not None
            self._mourner.stdin.close()
        self._mourner.wait()
        self._mourner = None

    def _write(self, data: bytes) -> None:
        assert self._mourner is not None
        assert self._mourner.stdin is not None
        self._mourner.stdin.write(data)
        self._mourner.stdin.flush()
