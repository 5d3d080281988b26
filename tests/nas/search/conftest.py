"""What the tests of what a search is share: the warnings that a process gives once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import nas.identity


@pytest.fixture
def first_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The warnings that this process has not given yet."""
    nas.identity.warn_once.cache_clear()
    caplog.set_level(logging.ERROR, logger="nas.search.notices")  # of data so few that they are odd
    with caplog.at_level(logging.WARNING, logger="nas.identity"):
        yield caplog
    nas.identity.warn_once.cache_clear()
