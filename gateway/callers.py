"""Who is at the other end: of the connection (a peer), and of the request (a caller).

Pure facts, made where a request comes in and handed on to all who decide by them.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Headers = list[tuple[bytes, bytes]]

REMEMBERED = 1024
"""Addresses whose trust is remembered."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who speaks to us: `address` is the other end of the connection, `trusted` whether it is one of our proxies."""

    address: str
    trusted: bool


NOBODY = Peer("unknown", trusted=False)
"""A peer that was gone before it could be asked for its address. The word is RFC 7239's, section 6."""


class Peers:
    """Tells our proxies from all others. trusted: networks, such as "127.0.0.1/32"."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        networks = [ipaddress.ip_network(text) for text in trusted]

        @functools.lru_cache(maxsize=REMEMBERED)
        def known(address: str) -> Peer:
            plain = _plain(address)
            return Peer(str(plain), any(plain in network for network in networks))

        @functools.lru_cache(maxsize=REMEMBERED)
        def nearest(listed: bytes) -> str | None:
            client = None
            for entry in reversed(listed.split(b",")):
                try:
                    nearer = known(entry.strip().decode("ascii"))
                except ValueError:
                    break
                client = nearer.address
                if not nearer.trusted:
                    break
            return client

        self._known = known
        self._nearest = nearest

    def of(self, address: str) -> Peer:
        """Raises ValueError for what is no IP address."""
        return self._known(address)

    def at(self, client: tuple[str, int] | None) -> Peer:
        """The peer of an ASGI scope's `client`."""
        return self._known(client[0]) if client else NOBODY

    def client_of(self, peer: Peer, headers: Headers) -> str:
        """The address of the client: in what trusted proxies say of it, the nearest one that is not one of them.

        X-Forwarded-For is read from its end, where the proxies nearest to us have written; what lies before the first
        address that is not trusted may have been made up by the client. A peer that is no proxy is the client itself.
        """
        if not peer.trusted:
            return peer.address
        listed = [value for name, value in headers if name == b"x-forwarded-for"]
        return self._nearest(listed[0] if len(listed) == 1 else b",".join(listed)) or peer.address


@functools.lru_cache(maxsize=REMEMBERED)
def origin_of(address: str) -> str:
    """Whom an address counts for: one of IPv4 for itself, one of IPv6 for its /64, which is what a customer gets."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address  # a peer that was gone before it could be asked
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    kind: "user", whom a trusted proxy has asked for a password; "key", an API key; "anybody", where nobody is asked.
    name: of the user or the key. hosts: the hostnames that may be used; None is all of them. admin: may wake engines,
    put them to sleep and read their logs.
    """

    kind: Literal["anybody", "user", "key"]
    name: str | None = None
    hosts: frozenset[str] | None = None
    admin: bool = False

    def may_use(self, host: str) -> bool:
        return self.hosts is None or host in self.hosts


ANYBODY = Caller("anybody", admin=True)
"""On this machine, or where the configuration lets everybody in."""


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """IPv4 that came through a socket for both versions is IPv4 all the same."""
    known = ipaddress.ip_address(address)
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped:
        return known.ipv4_mapped
    return known
