"""Hostname → engine. Pure."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from gateway.errors import UnknownHost


@functools.lru_cache(maxsize=1024)
def normal_host(value: bytes) -> str:
    """A Host header's hostname: lower case, without port, brackets or trailing dot; IPv6 in its short form."""
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        return _short_form(text[1:].partition("]")[0])
    return text.partition(":")[0].removesuffix(".")


def host_of(scope: Mapping[str, Any]) -> str:
    """The hostname that a request was sent to; empty for an HTTP/1.0 request without one."""
    for name, value in scope["headers"]:
        if name == b"host":
            return normal_host(value)
    return ""


def _short_form(address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        return address  # no host at all; nothing is served under it


T = TypeVar("T")


class Routes(Generic[T]):
    """Which engine answers for which hostname."""

    def __init__(self, routes: Iterable[tuple[str, T]]) -> None:
        self._routes = dict(routes)

    def find(self, host: str) -> T:
        """Raises UnknownHost, which does not tell what exists."""
        found = self._routes.get(host)
        if found is None:
            raise UnknownHost(
                "Nothing is served under this hostname. Check the address; the operator finds the list of hostnames "
                "in the gateway's configuration."
            )
        return found
