"""The jobs of a Ray cluster, through its dashboard: submit, find, read, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.cluster.files import pack
from nas.cluster.job import SEARCH, STOP_SECONDS, ClusterJob
from nas.passwords import without_password, without_passwords
from search_spaces.arguments import checked
from search_spaces.errors import ExecutorError, UnknownNameError

_ANSWER_SECONDS = 15  # for the dashboard to answer at all
_TOKEN = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH (else ~/.ray/auth_token is read)"


class Jobs:
    """The jobs of one cluster. A token is taken from where Ray looks for it.

    Args:
        address: the address of its dashboard, such as ``http://head:8265``.

    Attributes:
        address: the same, without a password.

    Raises:
        ExecutorError: nobody answers there, it is no dashboard of Ray's, or it turns us away; or a package
            is missing here.
    """

    @checked(ExecutorError)
    def __init__(self, address: str) -> None:
        self.address, self._given = without_password(address), address
        if not address.startswith(("http://", "https://")):
            raise ExecutorError(
                f"address {self.address!r}: expected that of a cluster's dashboard, such as http://head:8265"
            )
        try:
            import aiohttp  # noqa: F401
            import requests
            from ray.job_submission import JobSubmissionClient
        except ImportError as error:
            raise ExecutorError(
                f"sending jobs needs the package {error.name!r}: pip install 'nasforge[cluster]'"
            ) from error
        for chatty in ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        with self._mapped(), _preferred(address):
            requests.head(address, timeout=_ANSWER_SECONDS)  # Ray's own client waits for minutes
            self._client: Any = JobSubmissionClient(address)

    @checked(ExecutorError)
    def submit(self, job: ClusterJob) -> None:
        """Sends a job, with its files.

        Raises:
            ExecutorError: the cluster does not take it.
        """
        with tempfile.TemporaryDirectory() as folder:
            working_dir = Path(folder) / "working_dir.zip" if job.files else None
            if working_dir is not None:
                pack(job.files, working_dir)
            with self._mapped():
                self._client.submit_job(
                    entrypoint=job.entrypoint,
                    submission_id=job.id,
                    runtime_env=job.runtime_env(working_dir),
                    metadata=job.metadata,
                )

    @checked(ExecutorError)
    def find(self, name: str | None = None) -> Any:
        """Finds the job of that id, or the latest of the search of that name, or without a name the latest.

        Returns:
            Ray's ``JobDetails``.

        Raises:
            UnknownNameError: there is no such job.
            ExecutorError: the cluster does not answer.
        """
        with self._mapped():
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        ours = sorted(
            (job for job in jobs if SEARCH in (job.metadata or {})), key=lambda job: -job.start_time
        )
        fits: list[Callable[[Any], bool]] = [
            lambda job: name is None,
            lambda job: job.submission_id == name,
            lambda job: job.metadata[SEARCH] == name,
        ]
        for fit in fits:
            found = next((job for job in ours if fit(job)), None)
            if found is not None:
                return found
        if name is None:
            raise ExecutorError(f"the cluster at {self.address} has no job of a search: submit one first")
        raise UnknownNameError("job", name, [job.submission_id for job in ours])

    @checked(ExecutorError)
    def logs(self, id: str) -> str:
        """Returns all that a job has printed."""
        with self._mapped():
            return str(self._client.get_job_logs(id))

    @checked(ExecutorError)
    def follow(self, id: str, write: Callable[[str], object]) -> None:
        """Hands over what a job prints, piece by piece, until it ends."""

        async def tail() -> None:
            async for lines in self._client.tail_job_logs(id):
                write(lines)

        with self._mapped():
            asyncio.run(tail())

    @checked(ExecutorError)
    def stop(self, id: str) -> str:
        """Stops a job, waits until it has ended, and returns how it ended, in Ray's words.

        Raises:
            ExecutorError: it does not end.
        """
        with self._mapped():
            self._client.stop_job(id)
            end = time.monotonic() + STOP_SECONDS + _ANSWER_SECONDS
            while time.monotonic() < end:
                status = self._client.get_job_status(id)
                if status.is_terminal():
                    return str(status.value)
                time.sleep(0.2)
        raise ExecutorError(f"job {id} was told to stop, but runs on; look at nas logs {id}")

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Raises what goes wrong at the other end as errors of ours."""
        import aiohttp
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except BrokenPipeError:  # ours, not the cluster's
            raise
        except AuthenticationError as error:
            wrong = "Authentication failed" in str(error)
            why = "does not accept the token" if wrong else "wants a token"
            raise ExecutorError(f"the cluster at {self.address} {why}: {_TOKEN}") from error
        except (ConnectionError, requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            raise ExecutorError(f"no cluster answers at {self.address}") from error
        except (requests.exceptions.RequestException, aiohttp.ClientError, RuntimeError, ValueError) as error:
            text = without_passwords(error, self._given)
            raise ExecutorError(f"the cluster at {self.address} does not do this: {text:.400}") from error


@contextmanager
def _preferred(address: str) -> Iterator[None]:
    """Lets Ray connect there: what its variable says would come before the address that it is passed."""
    name = "RAY_API_SERVER_ADDRESS"
    before = os.environ.get(name)
    os.environ[name] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
