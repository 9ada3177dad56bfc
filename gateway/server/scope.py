"""From a parsed request head to ASGI's scope."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.errors import BadRequestFraming
from gateway.server.head import Headers, check_head, origin_form

Message = dict[str, Any]

_EXTENSIONS: Message = {"gateway.informational": {}, "gateway.abort": {}, "http.response.trailers": {}}
_UPGRADABLE: Message = {**_EXTENSIONS, "gateway.upgrade": {}}
_ASGI = {"version": "3.0", "spec_version": "2.4"}


class Scopes:
    """Makes the scopes of one connection's requests.

    The last head is remembered, because most clients send the same one again and again: what follows from it alone is
    found out once. An application may do likewise, in `scope["gateway.memo"]`: requests with the same head on the same
    connection share that dict. The same, that is, but for the value of X-Request-ID, which proxies make anew for each.

    client: the other end's (host, port), if it is known.
    """

    def __init__(self, transport: asyncio.BaseTransport, state: dict[str, Any]) -> None:
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.client = tuple(peer[:2]) if isinstance(peer, tuple) else None
        self._server = tuple(own[:2]) if isinstance(own, tuple) else None
        self._state = state
        self._last: tuple[bytes, str, bytes, Headers] | None = None
        self._scope: Message = {}
        self._has_body = False

    def make(self, parser: httptools.HttpRequestParser, url: bytes, headers: Headers) -> tuple[Message, bool]:
        """The scope of the request whose head `parser` has just read, and whether a body follows.

        headers: names in lower case. Raises BadRequestFraming and HeadTooLarge.
        """
        request = (parser.get_method(), parser.get_http_version(), url, _without_id(headers))
        if request != self._last:
            self._scope, self._has_body = self._read(parser, url, headers)
            self._last = request
        scope = self._scope.copy()
        scope["headers"] = headers
        scope["state"] = self._state.copy()
        return scope, self._has_body

    def _read(self, parser: httptools.HttpRequestParser, url: bytes, headers: Headers) -> tuple[Message, bool]:
        method: str = parser.get_method().decode("ascii")
        version: str = parser.get_http_version()
        has_body = check_head(method, version, headers)
        target = origin_form(url, method, headers)
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii")
        upgrade = parser.should_upgrade()
        if upgrade and has_body:
            raise BadRequestFraming("A request to upgrade the connection cannot have a body.")
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "server": self._server,
            "client": self.client,
            "scheme": "http",
            "method": method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "extensions": _UPGRADABLE if upgrade else _EXTENSIONS,
            "gateway.target": target,
            "gateway.memo": {},
        }
        return scope, has_body


def _without_id(headers: Headers) -> Headers:
    """A copy with an empty X-Request-ID in the place of one that is there."""
    return [pair if pair[0] != b"x-request-id" else _ID for pair in headers]


_ID = (b"x-request-id", b"")
