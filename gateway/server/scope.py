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


def shared_scope(transport: asyncio.BaseTransport, state: dict[str, Any]) -> Message:
    """What the scopes of all requests of one connection have in common."""
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    return {
        "type": "http",
        "asgi": _ASGI,
        "server": tuple(own[:2]) if isinstance(own, tuple) else None,
        "client": tuple(peer[:2]) if isinstance(peer, tuple) else None,
        "scheme": "http",
        "root_path": "",
        "state": state,
    }


def request_scope(
    shared: Message, parser: httptools.HttpRequestParser, url: bytes, headers: Headers
) -> tuple[Message, bool]:
    """The scope of the request whose head `parser` has just read, and whether a body follows.

    headers: names in lower case. Raises BadRequestFraming and HeadTooLarge.
    """
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
        **shared,
        "http_version": version,
        "method": method,
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "gateway.target": target,
        "headers": headers,
        "state": shared["state"].copy(),
        "extensions": _UPGRADABLE if upgrade else _EXTENSIONS,
    }
    return scope, has_body
