"""Which requests to the control API are taken for a page's and which for a person's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.callers import Peers
from gateway.control.guard import Guard, NearbyOnly

pytestmark = pytest.mark.anyio

PORTAL = "portal.test"


async def unread() -> Any:
    raise AssertionError("nothing is read")


async def unsaid(_message: Any) -> None:
    raise AssertionError("nothing is sent")


async def passes(method: str, *headers: tuple[str, str], portal: str | None = PORTAL) -> bool:
    """Whether the guard lets the request through; if not, it must say 403."""
    reached: list[str] = []
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        reached.append("app")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": "/api", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }  # fmt: skip
    await Guard(app, portal)(scope, unread, send)
    assert bool(reached) is not bool(sent)
    assert [message["status"] for message in sent if "status" in message] == ([] if reached else [403])
    return bool(reached)


@pytest.mark.parametrize("host", [PORTAL, "PORTAL.test:443", "localhost:8891", "127.0.0.1", "[::1]:1", "192.168.1.2"])
async def test_own_names_and_addresses_pass(host: str) -> None:
    assert await passes("GET", ("host", host))
    assert await passes("POST", ("host", host))


@pytest.mark.parametrize("host", ["evil.test", "portal.test.evil", "localhost.evil", "127.0.0.1.nip.io", "2130706433"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_other_names_do_not(host: str, method: str) -> None:
    assert not await passes(method, ("host", host))


async def test_a_portal_that_is_not_configured_is_no_name() -> None:
    assert not await passes("GET", ("host", PORTAL), portal=None)
    assert await passes("GET", ("host", "localhost"), portal=None)


async def test_a_request_of_http_1_0_has_no_name() -> None:
    assert await passes("GET")


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_its_own_pages_and_no_page_may_change_things(site: str) -> None:
    assert await passes("POST", ("host", PORTAL), ("sec-fetch-site", site), ("origin", f"https://{PORTAL}"))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN "])
async def test_others_may_not(site: str) -> None:
    assert not await passes("POST", ("host", PORTAL), ("sec-fetch-site", site))


@pytest.mark.parametrize(
    "origin", ["https://evil.test", "null", "", "portal.test", "https://", "https://portal.test.evil"]
)
async def test_nor_may_what_says_another_origin(origin: str) -> None:
    assert not await passes("POST", ("host", PORTAL), ("origin", origin))
    assert not await passes("DELETE", ("host", PORTAL), ("origin", origin))
    assert await passes("GET", ("host", PORTAL), ("origin", origin))


async def test_an_origin_needs_a_name_to_agree_with() -> None:
    assert not await passes("POST", ("origin", "null"))


PEERS = Peers(["10.0.0.0/8", "2001:db8::/32"])


async def is_near(client: tuple[str, int] | None) -> bool:
    """Whether somebody at this address gets through; if not, it must be told 403 and why."""
    reached: list[str] = []
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        reached.append("app")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/api", "query_string": b"",
        "headers": list[tuple[bytes, bytes]](), "client": client,
    }  # fmt: skip
    await NearbyOnly(app, PEERS)(scope, unread, send)
    assert bool(reached) is not bool(sent)
    if sent:
        assert sent[0]["status"] == 403
        assert b"trusted_proxies" in sent[1]["body"]
    return bool(reached)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"]
)
async def test_this_machine_and_trusted_proxies_are_near(address: str) -> None:
    assert await is_near((address, 1))


@pytest.mark.parametrize("address", ["192.168.1.5", "11.0.0.1", "::ffff:192.168.1.5", "2001:db9::7", "fe80::1%eth0"])
async def test_the_rest_of_the_world_is_not(address: str) -> None:
    assert not await is_near((address, 1))


async def test_a_peer_without_an_address_is_not_near() -> None:
    assert not await is_near(None)


async def test_what_is_no_http_passes() -> None:
    reached: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope["type"])

    for guard in (Guard(app, None), NearbyOnly(app, PEERS)):
        await guard({"type": "lifespan"}, unread, unsaid)
    assert reached == ["lifespan", "lifespan"]
