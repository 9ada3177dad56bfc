"""Callers who may come in, through TLS, nginx and a gateway process to an engine, which they wake."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from websockets.asyncio.client import connect

from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import HOST, LOGIN, Front, running_front
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.sdk import sdk_nearby

pytestmark = pytest.mark.nginx


@pytest.fixture
def asleep(front: Front) -> Front:
    """The front with its engine asleep."""
    front.gateway.until("engine", serving=0, waiting=0)
    front.gateway.post("/api/engines/engine/sleep")
    front.gateway.until("engine", phase="asleep")
    return front


def test_a_key_wakes_the_engine(asleep: Front) -> None:
    """One id is in nginx's log, the gateway's, the engine's request and the answer. The engine sees no key."""
    with asleep.client() as client:
        answer = client.get("/headers", params={"token": "private"})
    assert answer.status_code == 200
    seen = {name.lower(): value for name, value in answer.json()["headers"]}
    assert seen["host"] == HOST
    assert seen["x-forwarded-for"] == "127.0.0.1, 127.0.0.1"  # the client as nginx saw it, then nginx
    assert "authorization" not in seen
    identity = seen["x-request-id"]
    assert answer.headers.get_list("x-request-id") == [identity]
    assert asleep.gateway.until_logged("request.done", request_id=identity)["status"] == 200
    line = asleep.nginx.logged(identity)
    assert {name: line[name] for name in ("method", "host", "path", "status", "gateway_status", "address", "user")} == {
        "method": "GET", "host": HOST, "path": "/headers", "status": 200, "gateway_status": "200",
        "address": "127.0.0.1", "user": "",
    }  # fmt: skip
    logs = asleep.nginx.access_log.read_text() + asleep.nginx.errors()
    assert "private" not in logs
    assert asleep.key not in logs


def test_a_password_wakes_the_engine(asleep: Front) -> None:
    """As in a browser: one challenge, then every request carries the password, which nginx keeps to itself."""
    with asleep.nginx.client() as client:
        challenge = client.get("/hello", headers={"Accept": "text/html"})
        assert challenge.headers["www-authenticate"] == 'Basic realm="whisper-gateway"'
        assert asleep.gateway.engine("engine")["phase"] == "asleep"
        answers = [client.get("/headers", auth=LOGIN) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "authorization" not in answers[0].text.lower()
    assert asleep.nginx.logged(answers[0].headers["x-request-id"])["user"] == "anna"


def test_a_wrong_key_is_refused_by_the_gateway_without_a_password_dialog(front: Front) -> None:
    """The OpenAI SDK sees its own error."""
    trusts = front.nginx.authority.context()
    with (
        sdk_nearby(HOST, front.nginx.https, trusts, "wg_wrong") as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.models.list()
    assert refused.value.code == "invalid_api_key"
    assert "basic" not in refused.value.response.headers["www-authenticate"].lower()


def test_a_wrong_key_with_a_large_upload_is_refused_in_a_way_that_is_read(front: Front) -> None:
    """The refusal comes while the client is still sending."""
    done = front.nginx.curl(
        *("-H", "Authorization: Bearer wg_wrong", "-H", "Expect:", "-w", "%{http_code}", "--data-binary", "@-"),
        f"https://{HOST}/v1/audio/transcriptions",
        text="x" * 20_000_000,
    )
    assert done.stdout.endswith("401"), done
    assert "invalid_api_key" in done.stdout


def test_an_upload_starts_the_engine_before_its_last_byte(asleep: Front) -> None:
    """proxy_request_buffering off: the wake begins at the request's head, upload and boot overlap."""
    block = os.urandom(1024 * 1024)
    phases: list[str] = []

    def body() -> Iterator[bytes]:
        for _ in range(7):
            yield block
        asleep.gateway.until("engine", phase="ready")
        phases.append("woken during the upload")
        yield block

    with asleep.client() as client:
        answer = client.post("/sum", content=body())
    assert phases == ["woken during the upload"]
    assert answer.json()["sha256"] == hashlib.sha256(block * 8).hexdigest()


def test_an_upload_in_http2_arrives(front: Front) -> None:
    body = "0123456789abcdef" * 500_000
    done = front.nginx.curl(
        *("-H", f"Authorization: Bearer {front.key}", "--data-binary", "@-", f"https://{HOST}/sum"), text=body
    )
    assert json.loads(done.stdout)["sha256"] == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_events_arrive_one_by_one(front: Front, version: str) -> None:
    """The engine is told to send the next when the last has arrived."""
    words = [version, "-N", "-H", f"Authorization: Bearer {front.key}", f"https://{HOST}/sse?n=3&word={version}"]
    with front.client() as client, front.nginx.curling(*words) as lines:
        for number in range(1, 4):
            assert next(line for line in lines if line.startswith("data:")).split()[1] == str(number)
            client.get(f"/tell?word={version}")


def test_events_are_read_as_they_are_sent(front: Front) -> None:
    with (
        front.client() as client,
        front.client() as other,
        client.stream("GET", "/sse", params={"n": 3, "word": "next"}) as answer,
    ):
        told = [other.get("/tell?word=next").status_code for line in answer.iter_lines() if line.startswith("data:")]
    assert told == [200] * 3


@pytest.mark.parametrize("who", ["key", "password"])
def test_a_websocket_passes(front: Front, who: str) -> None:
    login = httpx.BasicAuth(*LOGIN)._auth_header
    authorization = f"Bearer {front.key}" if who == "key" else login

    async def talk() -> str | bytes:
        where: dict[str, Any] = {"host": "127.0.0.1", "port": front.nginx.https, "ssl": front.nginx.authority.context()}
        headers = {"Authorization": authorization}
        async with connect(
            f"wss://{HOST}/ws", additional_headers=headers, server_hostname=HOST, open_timeout=LONG_PATIENCE, **where
        ) as socket:
            await socket.send("through two proxies")
            return await asyncio.wait_for(socket.recv(), LONG_PATIENCE)

    assert asyncio.run(talk()) == "through two proxies"


def test_a_preflight_is_answered_by_the_gateway_alone(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate
) -> None:
    """Browsers ask without credentials before a page uses an engine of another origin; the engine sleeps on."""
    page = "https://page.example"
    asked = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with (
        running_front(tmp_path_factory.mktemp("cors"), authority, wildcard, engine={"cors": [page]}) as front,
        front.nginx.client() as client,
    ):
        answer = client.options("/v1/audio/transcriptions", headers=asked)
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] == page
        stranger = client.options("/v1/audio/transcriptions", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        assert front.gateway.engine("engine")["phase"] == "asleep"
