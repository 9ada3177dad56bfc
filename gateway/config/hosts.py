"""Hostnames and listening addresses as they are written in the configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

_LABEL = re.compile(r"^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$")


class Listen(NamedTuple):
    """An address to listen on. `host` is an IP address, without brackets for IPv6."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(value: object) -> Listen:
    """ "127.0.0.1:8890", "[::1]:8890" or "localhost:8890". Raises ValueError with a remedy."""
    if isinstance(value, Listen):
        return value
    host, colon, port = str(value).rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not colon or not 0 <= number <= 65535:
        raise ValueError(f'{value!r} is not an address to listen on (try "127.0.0.1:8890")')
    return Listen(str(address), number)


def parse_hostname(value: object) -> str:
    """A DNS name in lower case, without port or trailing dot; or an IP address. Raises ValueError with a remedy."""
    text = str(value).lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if "://" in text or "/" in text or ":" in text:
        raise ValueError(f"{value!r} is not a hostname (leave out scheme, port and path)")
    if len(text) > 253 or not all(_LABEL.match(label) for label in text.split(".")):
        raise ValueError(f'{value!r} is not a hostname (try "whisper.example.org")')
    return text
