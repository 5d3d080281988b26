"""Connecting to Ray, without one."""

import os

import pytest

from workers.remote.cluster import environment


def test_variables_that_ray_starts_with_leave_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_TEST_SET", "7")
    monkeypatch.delenv("NAS_TEST_NEW", raising=False)
    before = dict(os.environ)
    with environment({"NAS_TEST_SET": "0", "NAS_TEST_NEW": "0"}):
        assert (os.environ["NAS_TEST_SET"], os.environ["NAS_TEST_NEW"]) == ("7", "0")
    assert dict(os.environ) == before
