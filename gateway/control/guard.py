"""Keeps strangers, and web pages in somebody's browser, from steering the gateway.

A page on any site can make a browser send a request to a loopback address, by its number (cross-site request forgery)
or under a name of its own that it lets point there (DNS rebinding). Browsers say in Sec-Fetch-Site and Origin where a
request comes from, and in Host which name was used.

Without a browser, anybody can write the portal's hostname into a request. There callers are asked who they are, see
`portal`; where the configuration lets everybody in, the control API is for this machine and for trusted proxies all the
same.
"""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.callers import NOBODY, Peer, Peers
from gateway.errors import Forbidden, GatewayError
from gateway.proxy.routing import host_of, normal_host
from gateway.refusals import refusal

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Middleware: refuses with 403 what a foreign page sends, and names that are not the gateway's own."""

    def __init__(self, app: ASGIApp, portal: str | None) -> None:
        self._app = app
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (error := self._objection(scope)):
            await refuse(error, scope, send)
            return
        await self._app(scope, receive, send)

    def _objection(self, scope: Scope) -> GatewayError | None:
        host = host_of(scope)
        if host != self._portal and not _is_own_number(host):
            return Forbidden("The control API answers under the portal's hostname, localhost, or an address only.")
        headers = dict(scope["headers"])
        if scope["method"] in SAFE:
            return None
        if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
            return Forbidden("This came from a page of another site.")
        origin = headers.get(b"origin")
        if origin is not None and (not host or normal_host(origin.partition(b"://")[2]) != host):
            return Forbidden("This came from a page of another site.")
        return None


class NearbyOnly:
    """Middleware: refuses with 403 whoever is neither on this machine nor one of the trusted networks."""

    def __init__(self, app: ASGIApp, peers: Peers) -> None:
        self._app = app
        self._peers = peers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = self._peers.at(scope["client"]) if scope["type"] == "http" else NOBODY
        if scope["type"] == "http" and not (peer.trusted or _is_loopback(peer)):
            text = "The control API is for this machine, and for proxies named in `gateway.trusted_proxies`."
            await refuse(Forbidden(text), scope, send)
            return
        await self._app(scope, receive, send)


def _is_loopback(peer: Peer) -> bool:
    return peer is not NOBODY and ipaddress.ip_address(peer.address).is_loopback


async def refuse(error: GatewayError, scope: Scope, send: Send) -> None:
    """Say no, in the caller's dialect."""
    status, headers, body = refusal(error, dict(scope))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_own_number(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
