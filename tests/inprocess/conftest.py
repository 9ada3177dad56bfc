"""One gateway and one stand-in engine for every test that leaves them as they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.lifecycle import failures
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn, running_standin


class Stats:
    """The stand-in's counters, asked directly."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(self) -> dict[str, Any]:
        shown: dict[str, Any] = self._client.get("/stats").json()
        return shown

    @property
    def active(self) -> int:
        """Requests that the engine is answering, but for the one that asks."""
        count: int = self()["active"]
        return count - 1

    def until_active(self, count: int) -> None:
        """Waits until the engine is answering so many; it can only be asked again and again."""
        deadline = time.monotonic() + PATIENCE
        while self.active != count:
            assert time.monotonic() < deadline, f"{self.active} requests at the engine, not {count}"

    def requests(self) -> dict[str, int]:
        """Requests that have reached the engine, by path."""
        counted: dict[str, int] = self()["requests"]
        return counted


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    with running_standin() as one:
        yield one


@pytest.fixture(scope="session")
def stats(standin: StandIn) -> Iterator[Stats]:
    with httpx.Client(base_url=standin.url, timeout=PATIENCE) as client:
        yield Stats(client)


@pytest.fixture(scope="session")
def gateway(standin: StandIn) -> Iterator[Gateway]:
    """Engine `whisper`, always awake; the portal is portal.test."""
    with running_gateway({"whisper": Engine(standin.port)}, portal="portal.test") as one:
        with one.client() as client:
            client.get("/hello")
        yield one


@pytest.fixture
def long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that has failed rests as long as the test lasts, and not for a second."""
    monkeypatch.setattr(failures, "rest_after", lambda _: 600.0)


@pytest.fixture
def raw(gateway: Gateway) -> Iterator[RawClient]:
    """A connection to the gateway that sends what it is told."""
    with gateway.raw() as client:
        yield client


@pytest.fixture
def whisper(gateway: Gateway) -> Iterator[httpx.Client]:
    """Talks to the engine through the gateway."""
    with gateway.client() as client:
        yield client
