"""Which web pages may use an engine: preflights, what an answer grants to a page, and pages that are not welcome. Pure.

Source: the Fetch standard, section 3.2 (CORS protocol). A page of another origin may send simple requests without being
asked for, with the password that the browser remembers; only reading the answer is kept from it. So a request that does
something, or opens a WebSocket, is refused if it comes from a page that the configuration does not name.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.callers import Headers
from gateway.proxy.routing import normal_host

ALLOW_ORIGIN, VARY = b"access-control-allow-origin", (b"vary", b"Origin")
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
READABLE = b"X-Request-ID, X-Gateway-Error, Retry-After, Content-Disposition, Location"
"""Headers of an answer that a page may read beside those that it always may."""
PREFLIGHT_SECONDS = b"600"
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OWN_PAGES = (b"same-origin", b"none")


def first(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header."""
    for known, value in headers:
        if known == name:
            return value
    return None


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks what a page may do; it asks without any password."""
    return (
        method == "OPTIONS"
        and first(headers, b"origin") is not None
        and first(headers, b"access-control-request-method") is not None
    )


def is_allowed(origins: Sequence[str], origin: bytes | None) -> bool:
    return origin is not None and ("*" in origins or origin.decode("latin-1").lower() in origins)


def granted(origins: Sequence[str], headers: Headers) -> Headers:
    """What the answer to a request with these headers says to the page that it comes from."""
    origin = first(headers, b"origin")
    if "*" in origins:
        return [(ALLOW_ORIGIN, b"*"), (b"access-control-expose-headers", READABLE)]
    if origin is None or not is_allowed(origins, origin):
        return [VARY]
    return [
        (ALLOW_ORIGIN, origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", READABLE),
        VARY,
    ]


def permission(origins: Sequence[str], headers: Headers) -> Headers:
    """The headers of the answer to a preflight from an allowed origin."""
    wanted = first(headers, b"access-control-request-headers")
    answer = [pair for pair in granted(origins, headers) if pair[0] != b"access-control-expose-headers"]
    answer += [(b"access-control-allow-methods", METHODS), (b"access-control-max-age", PREFLIGHT_SECONDS)]
    if wanted:
        answer.append((b"access-control-allow-headers", wanted))
    return answer


def replaced(headers: Headers, grant: Headers) -> Headers:
    """An engine's headers with the gateway's word on who may read them instead of its own."""
    return [pair for pair in headers if not pair[0].startswith(b"access-control-")] + grant


def is_foreign(method: str, headers: Headers, host: str, origins: Sequence[str], *, upgrade: bool) -> bool:
    """Whether a page that is neither the engine's own nor an allowed one sends this by itself, not by a link.

    Safe methods count only if the browser says that another site's page wants them for a part of itself, such as an
    image: that would wake an engine, and keep it awake.
    """
    origin = first(headers, b"origin")
    named = origin is not None and origin.decode("latin-1").lower() in origins  # "*" lets in pages that log nobody in
    if named:
        return False
    if method in SAFE and not upgrade:
        elsewhere = first(headers, b"sec-fetch-site") == b"cross-site"
        return elsewhere and first(headers, b"sec-fetch-mode") != b"navigate"
    if origin is not None:
        return normal_host(origin.partition(b"://")[2]) != host
    return (first(headers, b"sec-fetch-site") or b"none") not in OWN_PAGES
