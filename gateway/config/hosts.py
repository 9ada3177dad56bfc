"""Hostnames, networks and listening addresses as they are written in the configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from gateway.config.problems import described, quoted

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[0-9]{1,5}")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<host>[^\[\]/:?#@*]+))(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Listen(NamedTuple):
    """An address to listen on. `host` is an IP address, without brackets for IPv6."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    def collides_with(self, other: Listen) -> bool:
        """Whether the two cannot both be listened on. Port 0 is "any free port" and never in the way."""
        if self.port != other.port or self.port == 0:
            return False
        mine, theirs = ipaddress.ip_address(self.host), ipaddress.ip_address(other.host)
        return mine == theirs or (mine.version == theirs.version and (mine.is_unspecified or theirs.is_unspecified))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_LISTEN = Listen("127.0.0.1", 8890)
DEFAULT_ADMIN = Listen("127.0.0.1", 8891)


def parse_listen(value: object) -> Listen:
    """Reads "127.0.0.1:8890", "[::1]:8890" or "localhost:8890". Raises ValueError with a remedy."""
    if isinstance(value, Listen):
        return value
    _refuse_what_is_no_text(value, "an address to listen on")
    text = str(value)
    host, _, port = text.rpartition(":")
    if _PORT.fullmatch(port) and int(port) > 65535:
        raise ValueError(f"{quoted(text)} has no such port (1 to 65535)")
    address = _listen_host(host)
    if address is None or not _PORT.fullmatch(port):
        likely_host = f"[{host}]" if ":" in host and _listen_host(f"[{host}]") else "127.0.0.1"
        likely_port = port if _PORT.fullmatch(port) else "8890"
        likely = quoted(f"{likely_host}:{likely_port}")
        raise ValueError(f"{quoted(text)} is not an address to listen on (try {likely})")
    return Listen(address, int(port))


def _listen_host(host: str) -> str | None:
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host[1:-1] if bracketed else host)
    except ValueError:
        return None
    return str(address) if bracketed == (address.version == 6) else None


def parse_hostname(value: object) -> str:
    """A DNS name in lower case, without port or trailing dot; or an IP address. Raises ValueError with a remedy."""
    _refuse_what_is_no_text(value, "a hostname")
    text = str(value)
    # Only ASCII may be lowered: the Kelvin sign's lower case is an ordinary k.
    if not text.isascii():
        raise ValueError(f"{quoted(text)} is not a hostname{_in_ascii(text[:253])}")
    text = text.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if "/" in text or ":" in text:
        raise ValueError(f"{quoted(value)} is not a hostname (leave out scheme, port and path)")
    if "*" in text:
        raise ValueError(f"{quoted(value)} is not a hostname (list each name; patterns are not supported)")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError(f'{quoted(value)} is not a hostname (try "whisper.example.org")')
    return text


def _in_ascii(text: str) -> str:
    try:
        return f" (try {quoted(text.lower().encode('idna').decode())})"
    except UnicodeError:
        return ' (try "whisper.example.org")'


def parse_origin(value: object) -> str:
    """Reads "https://portal.example.org", or "*" for all; as browsers write it (RFC 6454, section 6).

    Raises ValueError with a remedy.
    """
    _refuse_what_is_no_text(value, "an origin")
    text = str(value)
    if text == "*":
        return text
    parts = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if not parts or int(parts["port"] or 1) > 65535:
        raise ValueError(f'{quoted(text)} is not an origin (try "https://portal.example.org", or "*" for all)')
    scheme, host, port = parts["scheme"], parse_hostname(parts["host"] or parts["address"]), parts["port"]
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{int(port)}"


def parse_network(value: object) -> str:
    """Reads "10.0.0.0/8", "::1/128" or one address. Raises ValueError with a remedy."""
    _refuse_what_is_no_text(value, "a network")
    try:
        return str(ipaddress.ip_network(str(value), strict=False))
    except ValueError:
        raise ValueError(f'{quoted(value)} is not a network (try "127.0.0.1/32" or "10.0.0.0/8")') from None


def _refuse_what_is_no_text(value: object, expected: str) -> None:
    if isinstance(value, dict | list | tuple):
        raise ValueError(f"{expected} is expected, not {described(value)}")  # noqa: TRY004 - pydantic wants ValueError
