"""Nobody without a password or a key gets past nginx and the gateway: no request reaches the engine, none wakes it."""

from __future__ import annotations

import base64
import contextlib
import ssl
from collections.abc import Iterator

import pytest

from tests.fixtures.nginx import HOST, PASSWORD, Front
from tests.fixtures.raw_client import Incomplete

pytestmark = pytest.mark.nginx

GOOD = base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
WRONG = base64.b64encode(b"anna:guessed").decode()
PREFLIGHT = "Origin: https://page.example\r\nAccess-Control-Request-Method: POST\r\n"


@pytest.fixture(autouse=True)
def asleep(front: Front) -> Iterator[None]:
    """What every test here is about."""
    yield
    shown = front.gateway.engine("engine")
    assert (shown["phase"], shown["serving"], shown["waiting"]) == ("asleep", 0, 0)
    assert not front.gateway.events("engine.waking")
    assert {line["user"] for line in front.nginx.log()} <= {""}


def head(*lines: str, method: str = "GET", path: str = "/headers", host: str = HOST) -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""])


STRANGERS = {
    "nothing": head(),
    "a wrong password": head(f"Authorization: Basic {WRONG}"),
    "an unknown user": head("Authorization: Basic Ym9iOnNlY3JldA=="),
    "no user name": head("Authorization: Basic OnNlY3JldA=="),
    "a password without its name": head(f"Authorization: Basic {base64.b64encode(PASSWORD.encode()).decode()}"),
    "not even base64": head("Authorization: Basic !!!"),
    "an empty header": head("Authorization:"),
    "a wrong key": head("Authorization: Bearer wg_aaaaaaaaaa_nope"),
    "an empty key": head("Authorization: Bearer"),
    "an empty key and a space": head("Authorization: Bearer "),
    "a tab": head("Authorization: Bearer\twg_a_b"),
    "a password called a key": head(f"Authorization: Bearer {GOOD}"),
    "another scheme": head('Authorization: Digest username="anna"'),
    "a name": head("X-Remote-User: anna"),
    "a name and a wrong key": head("X-Remote-User: anna", "Authorization: Bearer x"),
    "a wrong key and a name": head("Authorization: Bearer x", "x-remote-user: anna", "X-REMOTE-USER: anna"),
    "a name with underscores": head("X_Remote_User: anna", "Authorization: Bearer x"),
    "a name and a wrong password": head(f"Authorization: Basic {WRONG}", "X-Remote-User: anna"),
    "a name in Remote-User": head("Remote-User: anna", "X-Forwarded-User: anna", "Authorization: Bearer x"),
    "a name that Connection hides": head("Connection: X-Remote-User", "X-Remote-User: anna", "Authorization: Bearer x"),
    "a hidden authorization": head("Connection: Authorization, close", "Authorization: Bearer x"),
    "a wrong key, then a wrong password": head("Authorization: Bearer x", f"Authorization: Basic {WRONG}"),
    "a wrong password, then a wrong key": head(f"Authorization: Basic {WRONG}", "Authorization: Bearer x"),
    "a wrong key, then a good password": head("Authorization: Bearer x", f"Authorization: Basic {GOOD}"),
    "nothing, then a good password": head("Authorization:", f"Authorization: Basic {GOOD}"),
    "two in one": head(f"Authorization: Bearer x, Basic {GOOD}"),
    "a proxy's authorization": head(f"Proxy-Authorization: Basic {GOOD}"),
    "a trusted address": head("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"),
    "a preflight with a name": head("X-Remote-User: anna", *PREFLIGHT.split("\r\n")[:2], method="OPTIONS"),
    "a preflight with a wrong password": head(
        f"Authorization: Basic {WRONG}", *PREFLIGHT.split("\r\n")[:2], method="OPTIONS"
    ),
    "a preflight with a wrong key": head("Authorization: Bearer x", *PREFLIGHT.split("\r\n")[:2], method="OPTIONS"),
    "half a preflight": head("Origin: https://page.example", method="OPTIONS"),
    "a preflight that is a GET": head(*PREFLIGHT.split("\r\n")[:2]),
    "a method with a pipe in it": head("Access-Control-Request-Method: GET", method="OPTIONS|x|y"),
    "a websocket": head(
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + "A" * 22 + "==",
        path="/ws",
    ),
    "http/2 in clear text": head(
        "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"
    ),
    "the path of a challenge": head(path="/.well-known/acme-challenge/../../headers"),
    "the page of errors": head(path="/.whisper-gateway-refused"),
    "a preflight of the whole server": head(*PREFLIGHT.split("\r\n")[:2], method="OPTIONS", path="*"),
    "a path that climbs": head(path="/x/../../headers"),
    "an encoded path": head(path="/%2e%2e/%2fheaders"),
    "the path of a preflight's answer": head(path="//v1//models"),
    "a whole address": f"GET https://{HOST}/headers HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "another whole address": f"GET http://127.0.0.1:8891/api/engines HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "HTTP/1.0": f"GET /headers HTTP/1.0\r\nHost: {HOST}\r\nX-Remote-User: anna\r\n\r\n",
    "HTTP/1.0 without a name": "GET /headers HTTP/1.0\r\n\r\n",
    "no host": "GET /headers HTTP/1.1\r\n\r\n",
    "two hosts": f"GET /headers HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n",
    "a folded header": head("X-A: b", " Authorization: Bearer x"),
    "a space before the colon": head("X-Remote-User : anna", "Authorization : Bearer x"),
    "a NUL": head("X-Remote-User: an\0na"),
    "a bare CR": head("X-A: b\rX-Remote-User: anna"),
    "a method of its own": head(method="WAKE"),
    "TRACE": head("X-Remote-User: anna", method="TRACE"),
    "CONNECT": head(method="CONNECT", path=f"{HOST}:443"),
    "both lengths": head("Content-Length: 4", "Transfer-Encoding: chunked", method="POST") + "0\r\n\r\n",
    "an unknown encoding": head("Transfer-Encoding: xchunked", method="POST") + "0\r\n\r\n",
    "two encodings": head("Transfer-Encoding: chunked", "Transfer-Encoding: identity", method="POST") + "0\r\n\r\n",
    "two lengths": head("Content-Length: 0", "Content-Length: 44", method="POST"),
    "a long head": head(*[f"X-{i}: {'a' * 8000}" for i in range(20)]),
    "a long address": head(path="/" + "a" * 40000),
}


@pytest.mark.parametrize("request_text", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_refused(front: Front, request_text: str) -> None:
    """With a refusal, or with nothing at all; and never with two answers."""
    with front.nginx.raw() as client:
        client.send(request_text)
        with contextlib.suppress(Incomplete, ssl.SSLError, ConnectionError):
            status = client.answer(request_text.partition(" ")[0]).status
            assert 300 <= status < 500 or status == 501
            assert client.quiet(0.02) or client.receive() == b""


def test_a_stranger_is_refused_in_http_0_9(front: Front) -> None:
    """An answer of those days has no status."""
    with front.nginx.raw() as client:
        answer = client.send("GET /headers\r\n").rest()
        assert not answer or b"login_required" in answer
