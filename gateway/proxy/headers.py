"""Which headers pass, in both directions. Pure.

Hop-by-hop fields end here (RFC 9110 section 7.6.1), as does what Connection names. What tells where a request came from
and who sent it is believed from trusted proxies only, and rewritten for everybody else, spelled with underscores or
hyphens: many frameworks do not see the difference.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from typing import Any

from gateway.callers import Headers, Peer

VIA = b"1.1 whisper-gateway"

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"transfer-encoding", b"upgrade", b"http2-settings",
        b"expect",  # the gateway has answered it
    }
)  # fmt: skip

FROM_PROXIES = frozenset(
    {
        b"forwarded", b"x-real-ip", b"x-remote-user", b"remote-user", b"x-request-id",
        # by which other proxies say who has logged in; some engines believe them
        b"x-user", b"x-email", b"x-webauth-user", b"x-authenticated-user", b"x-authentik-username",
        b"x-authentik-email",
        b"x-auth-request-user", b"x-auth-request-email", b"x-auth-request-groups", b"x-auth-request-preferred-username",
    }
)  # fmt: skip
"""Believed from trusted proxies only, beside those below."""

_FORWARDED = frozenset({b"for", b"proto", b"host", b"port", b"prefix"})
"""What proxies write after X-Forwarded-. Others they do not write, but let pass from anybody: those end here."""

_ONLY_IN_HEADS = frozenset(
    {
        b"host", b"content-length", b"content-type", b"content-encoding", b"content-range", b"trailer",
        b"authorization", b"cookie", b"origin", b"range", b"max-forwards", b"cache-control",
    }
)  # fmt: skip
"""What a trailer must not say (RFC 9110 section 6.5.1), beside the above: it would come after it was decided upon."""

_ONLY_IN_ANSWER_HEADS = frozenset(
    {
        b"set-cookie", b"www-authenticate", b"location", b"retry-after", b"date", b"age", b"expires", b"vary",
    }
)  # fmt: skip
"""Likewise, in an answer."""

_KEPT_FROM_CONNECTION = frozenset({b"host", b"content-length", b"authorization"})
"""A Connection header that names these is mistaken or hostile: they say what the request is."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


_ID_PREFIX = os.urandom(8).hex().encode()
_id_numbers = itertools.count(1)


def new_request_id() -> bytes:
    """Unique among all gateways and restarts; not a secret."""
    return b"%s-%x" % (_ID_PREFIX, next(_id_numbers))


def request_id(headers: Headers, peer: Peer) -> bytes:
    """The id under which proxy, gateway and engine log this request: a trusted proxy's, or a new one."""
    if peer.trusted:
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return value
    return new_request_id()


def request_head(scope: Mapping[str, Any], peer: Peer, *, upgrade: bool = False, authorization: bool = False) -> bytes:
    """The head as it goes to the engine, up to the request's id; see `identified`.

    upgrade: ask the engine to switch to WebSocket. authorization: send it the caller's password or key.
    """
    listed = _listed_in_connection(scope["headers"])
    head = [scope["method"].encode(), b" ", scope["gateway.target"], b" HTTP/1.1\r\n"]
    host, via = b"", VIA
    forwarded: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in HOP_BY_HOP:
            if name == b"transfer-encoding":
                head.append(b"transfer-encoding: chunked\r\n")
            elif name == b"te" and b"trailers" in value.lower():
                head.append(b"te: trailers\r\nconnection: te\r\n")
            continue
        if name in listed and name not in _KEPT_FROM_CONNECTION:
            continue
        if name == b"authorization" and not authorization:
            continue
        if name == b"host":
            host = value
        elif name == b"via":
            via = via.removesuffix(VIA) + value + b", " + VIA
            continue
        elif name == b"content-length":
            value = b"%d" % int(value)  # noqa: PLW2901 - leading zeros mean octal to somebody
        elif b"_" in name:
            if _is_reserved(name.replace(b"_", b"-")):
                continue
        elif name in FROM_PROXIES or name.startswith(b"x-forwarded-"):
            if peer.trusted and (name in FROM_PROXIES or name[12:] in _FORWARDED):
                forwarded[name] = forwarded[name] + b", " + value if name in forwarded else value
            continue
        head += (name, b": ", value, b"\r\n")
    head += _provenance(forwarded, peer, host)
    head += (b"via: ", via, b"\r\n")
    if upgrade:
        head.append(b"connection: Upgrade\r\nupgrade: websocket\r\n")
    return b"".join(head)


def identified(head: bytes, identity: bytes) -> bytes:
    """The complete head, with the final empty line."""
    return b"%bx-request-id: %b\r\n\r\n" % (head, identity)


def _is_reserved(name: bytes) -> bool:
    """Whether a header of this name is written by us, or kept to this connection."""
    return name in HOP_BY_HOP or name in FROM_PROXIES or name == b"content-length" or name.startswith(b"x-forwarded-")


def request_trailers(trailers: Headers) -> bytes:
    """The trailers of a request as they go to the engine. A framework that takes them for headers is not fooled."""
    return b"".join([b"%s: %s\r\n" % (name, value) for name, value in trailers if _is_for_trailers(name)])


def _is_for_trailers(name: bytes) -> bool:
    plain = name.replace(b"_", b"-")
    return plain not in _ONLY_IN_HEADS and not _is_reserved(plain)


def _provenance(forwarded: dict[bytes, bytes], peer: Peer, host: bytes) -> list[bytes]:
    """Where the request came from: what trusted proxies said, continued by us (RFC 7239 sections 4 and 5)."""
    address = peer.address.encode()
    forwarded.pop(b"x-request-id", None)  # sent on separately
    seen = forwarded.pop(b"x-forwarded-for", b"")
    lines = [b"x-forwarded-for: ", seen + b", " + address if seen else address, b"\r\n"]
    lines += (b"x-forwarded-proto: ", forwarded.pop(b"x-forwarded-proto", b"http"), b"\r\n")
    if name := forwarded.pop(b"x-forwarded-host", host):
        lines += (b"x-forwarded-host: ", name, b"\r\n")
    if b"forwarded" in forwarded:
        node = b'"[%s]"' % address if b":" in address else address
        lines += (b"forwarded: ", forwarded.pop(b"forwarded"), b", for=", node, b"\r\n")
    for name, value in forwarded.items():
        lines += (name, b": ", value, b"\r\n")
    return lines


def answer_headers(headers: Headers, identity: bytes, *, informational: bool = False) -> Headers:
    """An engine's headers as they go to the client. Several Set-Cookie stay several (RFC 6265 section 3)."""
    kept = [pair for pair in headers if pair[0] not in HOP_BY_HOP]
    if len(kept) < len(headers) and (listed := _listed_in_connection(headers)):
        kept = [pair for pair in kept if pair[0] not in listed]
    if not informational and not any([name == b"x-request-id" for name, _ in kept]):
        kept.append((b"x-request-id", identity))
    return kept


def answer_trailers(trailers: Headers) -> Headers:
    """The trailers of an engine's answer as they go to the client."""
    return [
        (name, value)
        for name, value in trailers
        if _is_for_trailers(name) and name.replace(b"_", b"-") not in _ONLY_IN_ANSWER_HEADS
    ]


def upgrade_headers(headers: Headers, identity: bytes) -> Headers:
    """The headers of an engine's 101, likewise."""
    kept = [pair for pair in answer_headers(headers, identity) if pair[0] != b"content-length"]
    return [*kept, (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]


def _listed_in_connection(headers: Headers) -> frozenset[bytes]:
    tokens = [token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")]
    return frozenset(tokens) if tokens else frozenset()


def has_body(headers: Headers) -> bool:
    return any([n == b"transfer-encoding" or (n == b"content-length" and v.strip(b"0") != b"") for n, v in headers])
