"""Who may use the control API: this machine, trusted proxies and pages of the portal, and no page of another site."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.proxy.http import Message
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn
from tests.inprocess.operators import PORTAL, admin, control, own, problem, shared

__all__ = ["admin", "control", "own", "shared"]  # fixtures


def test_an_engines_host_has_no_control_api(own: Gateway) -> None:
    with own.client() as client:
        assert client.get("/api/engines").json() == {"error": "no such path"}  # the engine's own words
        assert client.post("/api/engines/other/wake").status_code == 404
    assert own.runtimes["other"].starts == 0


async def status_for(gateway: Gateway, client: tuple[str, int], server: tuple[str, int]) -> int:
    """What somebody at this address is answered, who asks for the portal: tests themselves only come by loopback."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/api/engines", "raw_path": b"/api/engines", "query_string": b"",
        "headers": [(b"host", PORTAL.encode())], "client": client, "server": server, "root_path": "",
    }  # fmt: skip
    await gateway.app(scope, receive, send)
    status: int = said[0]["status"]
    return status


def test_where_nobody_is_asked_the_portal_is_for_this_machine_and_trusted_proxies(standin: StandIn) -> None:
    settings = {"listen": "0.0.0.0:1", "trusted_proxies": ["10.0.0.0/8"], "portal": PORTAL, "access": "everybody"}
    with running_gateway({"whisper": Engine(standin.port)}, **settings) as gateway:

        def asked(address: str, server: tuple[str, int]) -> int:
            asking = status_for(gateway, (address, 1), server)
            return asyncio.run_coroutine_threadsafe(asking, gateway.loop).result(10)

        open_to_all = ("192.168.1.2", gateway.port)
        assert [asked(peer, open_to_all) for peer in ("127.0.0.1", "10.1.2.3", "192.168.1.5")] == [200, 200, 403]
        assert asked("192.168.1.5", ("127.0.0.1", gateway.admin_port)) == 200  # can only be this machine's own
        assert httpx.get(f"{gateway.url}/healthz", headers={"host": PORTAL}, timeout=PATIENCE).status_code == 200


def test_a_gateway_without_a_portal_has_none_for_clients(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        for host in ("portal.test", "localhost", "127.0.0.1", ""):
            answer = httpx.get(f"{gateway.url}/api/engines", headers={"host": host or "x"}, timeout=PATIENCE)
            assert (answer.status_code, answer.headers["x-gateway-error"]) == (404, "unknown_host")


@pytest.mark.parametrize("host", ["PORTAL.test", "portal.test:8890", "portal.test."])
def test_the_portals_host_is_read_like_any_other(own: Gateway, host: str) -> None:
    assert httpx.get(f"{own.url}/healthz", headers={"host": host}, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8891", "[::1]:8891", "10.0.0.1", PORTAL])
def test_the_admin_address_answers_to_addresses_and_its_own_names(admin: httpx.Client, host: str) -> None:
    assert admin.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "whisper.test", "localhost.evil.test", "127.0.0.1.evil.test", "portal"])
def test_a_name_that_somebody_points_at_the_admin_address_is_403(admin: httpx.Client, own: Gateway, host: str) -> None:
    """DNS rebinding: the browser of somebody on this machine would believe that it is talking to evil.test."""
    assert problem(admin.get("/api/engines", headers={"host": host})) == (403, "forbidden")
    assert problem(wake(admin, host=host)) == (403, "forbidden")
    assert own.runtimes["whisper"].starts == 0


def wake(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(
        "/api/engines/whisper/wake", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.evil.test"},
        {"origin": "garbage"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.test", "sec_fetch_site": "same-origin"},
    ],
)
def test_a_page_of_another_site_cannot_steer(control: httpx.Client, own: Gateway, headers: dict[str, str]) -> None:
    assert problem(wake(control, **headers)) == (403, "forbidden")
    assert own.runtimes["whisper"].starts == 0


def test_a_page_of_the_portal_can(own: Gateway) -> None:
    with httpx.Client(base_url=own.url, headers={"host": PORTAL}, timeout=PATIENCE) as client:
        assert wake(client, origin=f"https://{PORTAL}", sec_fetch_site="same-origin").status_code == 202


def test_a_page_of_another_site_can_still_link_here(control: httpx.Client) -> None:
    assert control.get("/api/engines", headers={"sec-fetch-site": "cross-site"}).status_code == 200
