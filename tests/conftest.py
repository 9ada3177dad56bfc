"""Fixtures for every test."""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

ANY_SPEED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("any speed", ANY_SPEED)  # 200 ms for an example would be a guess about the machine
hypothesis.settings.load_profile("any speed")

REQUIRE_ALL = os.environ.get("WHISPER_GATEWAY_TEST_ALL") == "1"
"""Set where nothing may be skipped: a test whose surroundings are missing then fails."""


@functools.cache
def docker_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # where nobody listens the SDK leaves its socket open
        try:
            return _docker_answers()
        finally:
            gc.collect()


def _docker_answers() -> bool:
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


WHISPERX = Path(__file__).parent / "whisperx"
"""Tests of the WhisperX engine. They need torch and so an environment of their own: `make test-whisperx`."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where the whisperx package is missing its tests are no part of a run, unless they are asked for by path."""
    if collection_path != WHISPERX or importlib.util.find_spec("whisperx"):
        return None
    asked = [config.invocation_params.dir / word.split("::")[0] for word in config.args]
    return True if all(WHISPERX not in (path, *path.parents) for path in asked) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """So that nobody takes such a run for all tests."""
    if not importlib.util.find_spec("whisperx"):
        terminalreporter.write_line("tests/whisperx runs in an environment of its own: make test-whisperx")


def browser_found() -> bool:
    return shutil.which("chromium") is not None and importlib.util.find_spec("playwright") is not None


NEEDS: dict[str, Callable[[], bool]] = {
    "docker": docker_answers,
    "nginx": lambda: shutil.which("nginx") is not None,
    "browser": browser_found,
    "root": lambda: os.geteuid() == 0,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need Docker and the like run wherever those are; where all must run, their absence is a failure."""
    for marker, available in NEEDS.items():
        if item.get_closest_marker(marker) and not available():
            if REQUIRE_ALL:
                pytest.fail(f"{marker} is needed here and does not answer")
            pytest.skip(f"no {marker} here")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytest.register_assert_rewrite("tests.fixtures")  # so that their failures say what was compared
pytest_plugins = ["tests.fixtures.docker", "tests.fixtures.nginx", "tests.fixtures.stack"]
