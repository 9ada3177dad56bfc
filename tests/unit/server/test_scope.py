"""What an application is told about a request, and what is remembered from one to the next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httptools
import pytest

from gateway.errors import BadRequestFraming
from gateway.server.scope import Scopes

HEADERS = [(b"host", b"a.test"), (b"content-length", b"0")]


def parsed(head: bytes) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(SimpleNamespace())
    parser.feed_data(head)
    return parser


GET = parsed(b"GET / HTTP/1.1\r\n\r\n")
POST = parsed(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
OLD = parsed(b"GET / HTTP/1.0\r\n\r\n")


@pytest.fixture
def scopes() -> Scopes:
    transport: Any = SimpleNamespace(get_extra_info={"peername": ("203.0.113.7", 7), "sockname": ("::1", 80, 0, 0)}.get)
    return Scopes(transport, {"a": 1})


def test_a_scope_says_what_asgi_wants_to_know(scopes: Scopes) -> None:
    scope, has_body = scopes.make(GET, b"/a%2Fb?c=d", HEADERS)
    facts = {name: scope[name] for name in ("type", "method", "path", "raw_path", "query_string", "client", "server")}
    assert facts == {
        "type": "http", "method": "GET", "path": "/a/b", "raw_path": b"/a%2Fb", "query_string": b"c=d",
        "client": ("203.0.113.7", 7), "server": ("::1", 80),
    }  # fmt: skip
    assert (scope["headers"], scope["state"], has_body) == (HEADERS, {"a": 1}, False)


def test_requests_with_the_same_head_share_a_memo_and_nothing_that_they_could_spoil(scopes: Scopes) -> None:
    one, _ = scopes.make(GET, b"/", HEADERS.copy())
    one["gateway.memo"]["found"] = "out"
    one["path"] = "/elsewhere"
    one["state"]["a"] = 2
    one["headers"].append((b"x", b"added by the application"))
    two, _ = scopes.make(GET, b"/", HEADERS.copy())
    assert (two["path"], two["state"], two["headers"]) == ("/", {"a": 1}, HEADERS)
    assert two["gateway.memo"] == {"found": "out"}


@pytest.mark.parametrize(
    ("parser", "url", "headers"),
    [
        (POST, b"/", HEADERS),
        (OLD, b"/", HEADERS),
        (GET, b"/other", HEADERS),
        (GET, b"/", HEADERS[:1]),
        (GET, b"/", HEADERS[::-1]),
        (GET, b"/", [(b"host", b"b.test"), HEADERS[1]]),
    ],
)
def test_any_difference_makes_another_head(
    scopes: Scopes, parser: httptools.HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    first, _ = scopes.make(GET, b"/", HEADERS.copy())
    first["gateway.memo"]["found"] = "out"
    second, _ = scopes.make(parser, url, headers.copy())
    assert second["gateway.memo"] == {}
    assert (second["headers"], second["raw_path"]) == (headers, url)


def test_a_head_that_is_refused_is_not_remembered(scopes: Scopes) -> None:
    good, _ = scopes.make(GET, b"/", HEADERS.copy())
    for _ in range(2):
        with pytest.raises(BadRequestFraming):
            scopes.make(GET, b"/", [])
    assert scopes.make(GET, b"/", HEADERS.copy())[0]["gateway.memo"] is good["gateway.memo"]
