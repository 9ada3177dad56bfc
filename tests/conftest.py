"""Fixtures for every test."""

from __future__ import annotations

import functools
import os
import shutil

import pytest

REQUIRE_ALL = os.environ.get("WHISPER_GATEWAY_TEST_ALL") == "1"
"""Set where nothing may be skipped: a test whose surroundings are missing then fails."""


@functools.cache
def docker_answers() -> bool:
    import docker

    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


NEEDS = {"docker": docker_answers, "nginx": lambda: shutil.which("nginx") is not None}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need Docker or nginx run whenever those are there; where all must run, their absence is a failure."""
    for marker, available in NEEDS.items():
        if item.get_closest_marker(marker) and not available():
            if REQUIRE_ALL:
                pytest.fail(f"{marker} is needed here and does not answer")
            pytest.skip(f"no {marker} here")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytest.register_assert_rewrite("tests.fixtures")  # so that their failures say what was compared
pytest_plugins = ["tests.fixtures.docker"]
