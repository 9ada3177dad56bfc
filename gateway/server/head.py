"""Is this request head one that every parser would understand the same way? Pure.

httptools (llhttp, strict) already refuses both lengths together, repeated or malformed Content-Length, obs-fold, bare
CR or LF, NUL, and malformed chunks. What it lets through and we do not is checked here. Sources: RFC 9112 sections
2.2, 3.2, 3.3, 6.1 and 11.2; RFC 9110 section 7.2.
"""

from __future__ import annotations

import re

import httptools

from gateway.errors import BadRequestFraming, HeadTooLarge

Headers = list[tuple[bytes, bytes]]

MOST_HEADERS = 200
MOST_LENGTH_DIGITS = 20
"""Of 64 bits; zeros before them count. Python reads no number of more than 4300."""
# The lengths are those of a DNS name and of an IPv6 address. Other parts remember the hostnames they have seen.
_HOST = re.compile(rb"(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{1,45}\])(?::[0-9]{1,5})?")


def new_parser(connection: object) -> httptools.HttpRequestParser:
    """One that calls this connection back for what it finds."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # such data is ignored, not an error
    return parser


def check_head(method: str, version: str, headers: Headers) -> bool:
    """Raise BadRequestFraming for an ambiguous head; returns whether a body follows.

    headers: names in lower case.
    """
    if version not in ("1.1", "1.0"):
        raise BadRequestFraming(f"HTTP/{version} is not spoken here; use HTTP/1.1.")
    if method == "CONNECT":
        raise BadRequestFraming("CONNECT is for forward proxies; this is a gateway.")
    if len(headers) > MOST_HEADERS:
        raise HeadTooLarge(f"The request has more than {MOST_HEADERS} header fields.")
    hosts = encodings = 0
    body = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                raise BadRequestFraming("The Host header is not a hostname with an optional port.")
        elif name == b"content-length":
            if len(value) > MOST_LENGTH_DIGITS:
                raise BadRequestFraming("The Content-Length has more digits than any length.")
            body = value.strip(b"0") != b""
        elif name == b"transfer-encoding":
            encodings += 1
            if value.lower() != b"chunked" or version == "1.0":
                raise BadRequestFraming("The only Transfer-Encoding understood here is chunked, in HTTP/1.1.")
            body = True
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise BadRequestFraming("The request needs exactly one Host header.")
    if encodings > 1:
        raise BadRequestFraming("The request has more than one Transfer-Encoding header.")
    return body


def wants_tunnel(parser: httptools.HttpRequestParser, headers: Headers) -> bool:
    """Whether what follows the head is no HTTP, so that the parser has to stop. Other upgrades are ignored.

    True for CONNECT too, which is refused when its head is checked. HTTP/1.0 has no upgrades (RFC 9110 section 7.8);
    a WebSocket is asked for by GET (RFC 6455 section 4.1).
    """
    method = parser.get_method()
    if method == b"CONNECT":
        return True
    if method != b"GET":
        return False
    websocket = any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)
    version: str = parser.get_http_version()
    return websocket and version == "1.1"


def expects_continue(version: str, headers: Headers) -> bool:
    """Whether the client waits to be told to send its body (RFC 9110 section 10.1.1)."""
    return version == "1.1" and any(n == b"expect" and v.lower() == b"100-continue" for n, v in headers)


def head_without_upgrade(parser: httptools.HttpRequestParser, target: bytes, headers: Headers) -> bytes:
    """The head that `parser` has just read, written anew without its wish for another protocol."""
    lines = [parser.get_method(), b" ", target, b" HTTP/", parser.get_http_version().encode(), b"\r\n"]
    for name, value in headers:
        if name != b"upgrade":
            lines += (name, b": ", value, b"\r\n")
    return b"".join(lines) + b"\r\n"


def origin_form(target: bytes, method: str, headers: Headers) -> bytes:
    """The request target as path and query, just as they came. Raises BadRequestFraming.

    An absolute target (RFC 9112 section 3.2.2) is understood if its authority is the one in Host: two hosts in one
    request are a way to be let in under one name and served under another.
    """
    if b"#" in target:
        raise BadRequestFraming("The request target holds a fragment, which is never sent.")
    if target[:1] == b"/" or (target == b"*" and method == "OPTIONS"):
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise BadRequestFraming("The request target must begin with a slash.")
    authority = re.split(rb"[/?]", rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    host = next((value for name, value in headers if name == b"host"), authority)
    if authority.lower() != host.lower():
        raise BadRequestFraming("The host in the request target is not the one in the Host header.")
    return path if path[:1] == b"/" else b"/" + path
