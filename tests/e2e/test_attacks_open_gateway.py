"""A gateway that lets in everybody on this machine: not those whom somebody on this machine passes on.

Those are proxies that the gateway was not told of, and browsers, in which pages of the whole world run.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.config import Config
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.standin import running_standin

HOST = "whisper.test"
PORTAL = "portal.test"
PAGE = "https://page.example"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """`whisper` may be used by PAGE, `free` by every page, `plain` by none but its own."""
    pages = {"whisper": {"cors": [PAGE]}, "free": {"cors": ["*"]}, "plain": {}}
    with ExitStack() as stack:
        engines = {name: Engine(stack.enter_context(running_standin()).port, **cors) for name, cors in pages.items()}
        yield stack.enter_context(running_gateway(engines, portal=PORTAL))


def status(gateway: Gateway, host: str, *lines: str, request: str = "GET /hello") -> int:
    method = request.partition(" ")[0]
    with gateway.raw() as client:
        return client.send("\r\n".join([f"{request} HTTP/1.1", f"Host: {host}", *lines, "", ""])).answer(method).status


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-For: 203.0.113.7", "X-Forwarded-For:", "x-real-ip: 203.0.113.7", "Forwarded: for=203.0.113.7",
        "X-Forwarded-Host: whisper.example.org", "X-Forwarded-Proto: https", "X-Forwarded-Server: proxy",
        "X-Forwarded-Port: 443", "X-Forwarded-Ssl: on", "Via: 1.1 proxy", "CF-Connecting-IP: 203.0.113.7",
        "True-Client-IP: 203.0.113.7",
    ],
)  # fmt: skip
def test_what_a_proxy_writes_tells_of_it(gateway: Gateway, line: str) -> None:
    """Any one of its headers will do: a client that lists one in Connection can make some proxies leave it out."""
    for host in (HOST, PORTAL):
        assert status(gateway, host, line, request="GET /api/engines") == 403
        assert status(gateway, host, "Connection: X-Forwarded-For, X-Real-IP, Forwarded", line) == 403


FOREIGN = ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]


@pytest.mark.parametrize("line", FOREIGN)
@pytest.mark.parametrize("host", [HOST, "plain.test"])
def test_a_page_elsewhere_does_not_use_the_engine_through_a_browser_on_this_machine(
    gateway: Gateway, host: str, line: str
) -> None:
    """Browsers ask nobody before they open a WebSocket, or send a form, to a name that leads to this machine."""
    before = gateway.runtimes[host.partition(".")[0]].starts
    assert status(gateway, host, *UPGRADE, line, request="GET /ws") == 403
    assert status(gateway, host, "Content-Length: 0", line, request="POST /sum") == 403
    assert gateway.runtimes[host.partition(".")[0]].starts == before


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (HOST, f"Origin: {PAGE}"), (HOST, f"Origin: http://{HOST}:8890"), (HOST, "Sec-Fetch-Site: same-origin"),
        ("free.test", "Origin: https://evil.example"), ("free.test", "Origin: null"), ("plain.test", "X-A: b"),
    ],
)  # fmt: skip
def test_programs_its_own_pages_and_those_that_are_named_use_it(gateway: Gateway, host: str, line: str) -> None:
    assert status(gateway, host, *UPGRADE, line, request="GET /ws") == 101
    assert status(gateway, host, "Content-Length: 0", line, request="POST /sum") == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_only_get_asks_for_a_websocket(gateway: Gateway, method: str) -> None:
    """RFC 6455 section 4.1. With another method the rest of the connection would be read in two ways."""
    with gateway.raw() as client:
        client.send("\r\n".join([f"{method} /ws HTTP/1.1", f"Host: {HOST}", *UPGRADE, "", ""]))
        assert client.answer(method).status != 101
        assert client.get("/hello", HOST).answer().status == 200


@pytest.mark.anyio
async def test_an_application_without_an_admin_address_has_none(tmp_path: Path) -> None:
    """Also for a server that does not know the address of its own end, such as a Unix socket's."""
    engine = {"hosts": [HOST], "process": {"command": ["none"]}, "port": 1}
    settings = {"state_dir": str(tmp_path), "access": "known"}
    app = create_app(Config.model_validate({"gateway": settings, "engines": {"whisper": engine}}))

    async def without_addresses(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        ours = {"server": None, "gateway.memo": {}, "gateway.target": scope["raw_path"]}
        await app({**scope, **ours}, receive, send)

    transport = httpx.ASGITransport(without_addresses)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.post("/api/engines/whisper/wake")).status_code == 401
