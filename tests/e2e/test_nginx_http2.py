"""Requests in HTTP/2 that no library sends: what is allowed to stand there must not become more in HTTP/1.1."""

from __future__ import annotations

import base64
import contextlib

import pytest

from tests.fixtures.http2_frames import Fields, outcome, request
from tests.fixtures.nginx import HOST, PASSWORD, Front
from tests.fixtures.raw_client import Incomplete

pytestmark = pytest.mark.nginx

GOOD = b"Basic " + base64.b64encode(f"anna:{PASSWORD}".encode())
BEARER = (b"authorization", b"Bearer x")
NAME = (b"x-remote-user", b"anna")
SMUGGLED = f"0\r\n\r\nGET /headers HTTP/1.1\r\nHost: {HOST}\r\nX-Remote-User: anna\r\n\r\n".encode()


def pseudo(method: bytes = b"GET", path: bytes = b"/headers", authority: bytes = HOST.encode()) -> Fields:
    return [(b":method", method), (b":scheme", b"https"), (b":path", path), (b":authority", authority)]


STRANGERS: dict[str, tuple[Fields, bytes | None]] = {
    "nothing": (pseudo(), None),
    "a wrong key": ([*pseudo(), BEARER], None),
    "a name": ([*pseudo(), NAME], None),
    "a wrong key and a name": ([*pseudo(), BEARER, NAME, NAME], None),
    "a name in capitals": ([*pseudo(), BEARER, (b"X-Remote-User", b"anna")], None),
    "a name with underscores": ([*pseudo(), BEARER, (b"x_remote_user", b"anna")], None),
    "a name in a value": ([*pseudo(), BEARER, (b"x-a", b"b\r\nX-Remote-User: anna")], None),
    "a name in a name": ([*pseudo(), BEARER, (b"x-a: b\r\nx-remote-user", b"anna")], None),
    "a name in the path": ([*pseudo(path=b"/ HTTP/1.1\r\nX-Remote-User: anna\r\nX-A: b"), BEARER], None),
    "a name in the method": ([*pseudo(method=b"GET / HTTP/1.1\r\nX-Remote-User: anna\r\nX-A: b"), BEARER], None),
    "a name in the hostname": ([*pseudo(authority=HOST.encode() + b"\r\nX-Remote-User: anna"), BEARER], None),
    "a name that connection hides": ([*pseudo(), BEARER, (b"connection", b"x-remote-user"), NAME], None),
    "a wrong key, then a password": ([*pseudo(), BEARER, (b"authorization", GOOD)], None),
    "two hostnames": ([*pseudo(), (b"host", b"127.0.0.1:8891"), BEARER], None),
    "no hostname": ([*pseudo()[:3], BEARER, NAME], None),
    "an upgrade": ([*pseudo(path=b"/ws"), BEARER, (b"upgrade", b"websocket"), (b"connection", b"upgrade")], None),
    "a chunked body": ([*pseudo(b"POST"), BEARER, (b"transfer-encoding", b"chunked")], SMUGGLED),
    "a chunked body by another name": ([*pseudo(b"POST"), BEARER, (b"transfer-encoding ", b"chunked")], SMUGGLED),
    "less than there is": ([*pseudo(b"POST"), BEARER, (b"content-length", b"0")], SMUGGLED),
    "more than there is": ([*pseudo(b"POST"), BEARER, (b"content-length", b"1000")], SMUGGLED),
    "two lengths": ([*pseudo(b"POST"), BEARER, (b"content-length", b"5"), (b"content-length", b"0")], SMUGGLED),
    "a space in the path": ([*pseudo(path=b"/x HTTP/1.1"), BEARER], None),
    "a whole address": ([*pseudo(path=b"http://127.0.0.1:8891/api/engines"), BEARER], None),
    "CONNECT": ([(b":method", b"CONNECT"), (b":authority", HOST.encode()), BEARER], None),
    "a websocket of RFC 8441": ([*pseudo(b"CONNECT", b"/ws"), (b":protocol", b"websocket"), BEARER], None),
}


@pytest.mark.parametrize(("fields", "body"), STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_refused(front: Front, fields: Fields, body: bytes | None) -> None:
    """No answer is an engine's, nothing hidden in a request becomes one of its own, and no engine wakes."""
    front.gateway.engine("engine")  # what came before is in the log when that is answered
    before = len(front.gateway.events("request.done"))
    with front.nginx.raw(alpn="h2") as client, contextlib.suppress(Incomplete, ConnectionError):
        client.send(request(fields, body))
        ended, said = outcome(client)
        assert ended != "answered" or b'"code"' in said or b"<center>nginx" in said
    assert front.gateway.engine("engine")["phase"] == "asleep"
    assert len(front.gateway.events("request.done")) <= before + 1


def test_the_requests_made_by_hand_are_understood(front: Front) -> None:
    """Else the above would prove nothing."""
    with front.nginx.raw(alpn="h2") as client:
        client.send(request([*pseudo(b"POST", b"/sum"), (b"authorization", GOOD), (b"content-length", b"5")], b"hello"))
        ended, said = outcome(client)
    assert ended == "answered"
    assert b'"bytes": 5' in said
