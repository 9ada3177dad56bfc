"""Request smuggling, through nginx and straight at the gateway: no request hides in another.

The hidden request carries a user's name that the gateway would believe if it came from nginx. A stranger's request
reaches the gateway because nginx lets every key pass; a client with a key that is for one hostname only wants another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fixtures.attacks import CROWD, PRIVATE, WRONG_KEY, Siege, drained, head, let_in, tried
from tests.fixtures.attacks_smuggling import CASES, filled
from tests.fixtures.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    Fields,
    block,
    frame,
    until_answered,
)
from tests.fixtures.nginx import HOST

pytestmark = pytest.mark.nginx


def hidden(path: str, host: str = HOST) -> str:
    return head(
        f"GET {path} HTTP/1.1", f"Host: {host}", "X-Remote-User: anna", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: ::1"
    )


@pytest.mark.parametrize("who", ["a stranger", "a limited key"])
@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_no_request_hides_in_another(siege: Siege, door: str, who: str) -> None:
    siege.wake()
    before = siege.wakes()
    credentials = WRONG_KEY if who == "a stranger" else siege.limited_bearer
    host = HOST if who == "a stranger" else PRIVATE
    place = f"/stolen/{door}/{who[2:].replace(' ', '-')}"
    requests = {
        case: filled(text, f"Host: {HOST}\r\n{credentials}\r\n", hidden(f"{place}/{number}", host))
        for number, (case, text) in enumerate(CASES.items())
    }
    answers = tried(siege, door, requests)
    siege.assert_untouched(before)
    siege.assert_serves_others()
    if who == "a stranger":
        assert let_in(answers) == {}
    seen = [event for name in ("done", "ended", "failed") for event in siege.front.gateway.events(f"request.{name}")]
    seen = [event for event in seen if event["path"].startswith(place)]
    assert not [event for event in seen if event["status"] < 400 or "user" in event or "key" in event]
    if door == "nginx":  # which has asked for a password wherever it saw a request
        assert seen == []


SMUGGLED = hidden("/stolen/h2")
LINE = "GET /stolen/h2 HTTP/1.1\r\nX-Remote-User: anna\r\nX: "


def pseudo(method: str = "POST", path: str = "/sum", authority: str = HOST, scheme: str = "https") -> Fields:
    pairs = {":method": method, ":scheme": scheme, ":path": path, ":authority": authority}
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs.items()]


HTTP2: dict[str, tuple[Fields, str | None]] = {
    "H2.CL: a length of nothing": ([*pseudo(), (b"content-length", b"0")], SMUGGLED),
    "H2.CL: a length that is too small": ([*pseudo(), (b"content-length", b"3")], f"abc{SMUGGLED}"),
    "H2.CL: a length that is too large": ([*pseudo(), (b"content-length", b"500")], SMUGGLED),
    "H2.CL: without a body": ([*pseudo(), (b"content-length", b"500")], None),
    "H2.CL: on GET": ([*pseudo("GET", "/hello"), (b"content-length", b"500")], None),
    "H2.CL: no number": ([*pseudo(), (b"content-length", b"0x0")], SMUGGLED),
    "H2.CL: signed": ([*pseudo(), (b"content-length", b"+0")], SMUGGLED),
    "H2.CL: twice": ([*pseudo(), (b"content-length", b"0"), (b"content-length", b"1")], SMUGGLED),
    "H2.TE": ([*pseudo(), (b"transfer-encoding", b"chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: in capitals": ([*pseudo(), (b"Transfer-Encoding", b"chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: behind a line end": ([*pseudo(), (b"x", b"y\r\ntransfer-encoding: chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: behind a bare LF": ([*pseudo(), (b"x", b"y\ntransfer-encoding: chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: behind a bare CR": ([*pseudo(), (b"x", b"y\rtransfer-encoding: chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: in a name": ([*pseudo(), (b"transfer-encoding: chunked\r\nx", b"y")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: a colon in a name": ([*pseudo(), (b"transfer-encoding:chunked", b"")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: a space in a name": ([*pseudo(), (b"transfer-encoding ", b"chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "H2.TE: te": ([*pseudo(), (b"te", b"trailers, chunked")], f"0\r\n\r\n{SMUGGLED}"),
    "a request in a value": ([*pseudo("GET", "/hello"), (b"x", f"y\r\n\r\n{LINE}".encode())], None),
    "a request in a name": ([*pseudo("GET", "/hello"), (f"x: y\r\n\r\n{LINE}".encode(), b"z")], None),
    "a request in the path": (pseudo("GET", f"/hello HTTP/1.1\r\nHost: {HOST}\r\n\r\n{LINE}"), None),
    "a request in the method": (pseudo(f"GET /hello HTTP/1.1\r\nHost: {HOST}\r\n\r\n{LINE}"), None),
    "a request in the hostname": (pseudo("GET", "/hello", f"{HOST}\r\n\r\n{LINE}"), None),
    "a request in the scheme": (pseudo("GET", "/hello", scheme=f"https://x/ HTTP/1.1\r\n\r\n{LINE}"), None),
    "a path in the scheme": (pseudo("GET", "/hello", scheme=f"http://{PRIVATE}/stolen?"), None),
    "a NUL in a value": ([*pseudo("GET", "/hello"), (b"x", b"y\0\r\n")], None),
    "a fragment": (pseudo("GET", "/hello#/stolen"), None),
    "a path without a slash": (pseudo("GET", "stolen"), None),
    "an empty path": (pseudo("GET", ""), None),
    "an empty method": (pseudo("", "/stolen"), None),
    "two paths": ([*pseudo("GET", "/hello"), (b":path", b"/stolen")], None),
    "two methods": ([*pseudo("GET", "/hello"), (b":method", b"POST")], None),
    "a pseudo header behind others": ([*pseudo("GET", "/hello")[:3], (b"x", b"y"), (b":authority", b"a")], None),
    "an unknown pseudo header": ([*pseudo("GET", "/hello"), (b":stolen", b"1")], None),
    "a pseudo header of answers": ([*pseudo("GET", "/hello"), (b":status", b"200")], None),
    "another hostname in host": ([*pseudo("GET", "/stolen"), (b"host", PRIVATE.encode())], None),
    "an upgrade": ([*pseudo("GET", "/ws"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")], None),
}


@pytest.mark.parametrize("who", ["a stranger", "a limited key"])
def test_no_request_hides_in_one_of_http2(siege: Siege, who: str) -> None:
    """Behind nginx they are HTTP/1.1. A good request on the same connection, after each, gets its own answer."""
    siege.wake()
    before = siege.wakes()
    credentials = WRONG_KEY if who == "a stranger" else siege.limited_bearer
    authorization = (b"authorization", credentials.partition(": ")[2].encode())
    good = block([*pseudo("GET", "/hello"), (b"authorization", siege.bearer.partition(": ")[2].encode())])

    def attack(case: str) -> bytes:
        fields, body = HTTP2[case]
        request = frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), 1, block([*fields, authorization]))
        if body:
            request += frame(DATA, END_STREAM, 1, body.encode())
        after = frame(HEADERS, END_HEADERS | END_STREAM, 3, good)
        with siege.at_nginx(alpn="h2") as client:
            client.send(PREFACE + frame(SETTINGS, 0, 0) + request + after)
            return until_answered(client, 3) + drained(client)

    with ThreadPoolExecutor(CROWD) as pool:
        said = dict(zip(HTTP2, pool.map(attack, HTTP2), strict=True))
    siege.assert_untouched(before)
    siege.assert_serves_others()
    assert not [case for case, answer in said.items() if answer.count(b"Hello from the stand-in") > 1 + (who[2] == "l")]
    assert sum(b"Hello from the stand-in" in answer for answer in said.values()) > len(HTTP2) / 2
