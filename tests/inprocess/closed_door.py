"""Gateways that ask who somebody is, and how tests ask them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.auth import access
from gateway.auth.failures import Failures
from gateway.auth.rates import Rate
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn

PORTAL = "portal.test"
PAGE = "https://www.example.org"
PROXIED = {"x-remote-user": "anna", "x-forwarded-for": "203.0.113.7"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def gateway(standin: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Everybody has to prove who they are; nobody is a proxy. No wrong key is forgiven while a test runs."""
    monkeypatch.setattr(access, "Failures", lambda: Failures(Rate(20, "d")))
    engines = {"whisper": Engine(standin.port, cors=[PAGE]), "other": Engine(0)}
    with running_gateway(engines, access="known", state_dir=str(folder), portal=PORTAL) as gateway:
        yield gateway


@pytest.fixture
def proxied(standin: StandIn, folder: Path) -> Iterator[Gateway]:
    """Whoever comes by loopback is a trusted proxy."""
    engines = {"whisper": Engine(standin.port, cors=[PAGE]), "other": Engine(0)}
    settings = {"trusted_proxies": ["127.0.0.1"], "state_dir": str(folder), "portal": PORTAL, "admins": ["root"]}
    with running_gateway(engines, **settings) as gateway:
        yield gateway


def asked(gateway: Gateway, path: str = "/headers", host: str = "whisper.test", **options: Any) -> httpx.Response:
    headers = {"host": host, **options.pop("headers", {})}
    method = str(options.pop("method", "GET"))
    return httpx.request(method, f"{gateway.url}{path}", headers=headers, timeout=PATIENCE, **options)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("x-gateway-error")
