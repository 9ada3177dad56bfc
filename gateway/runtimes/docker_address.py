"""Where a running container can be reached from here: a choice over plain facts, with nothing to wait for.

1. A container on the host's network is reached on the loopback address.
2. A container on a network that this process shares is reached on its own address. Whether we share it, the kernel
   knows: the source address it would use to send to the container lies inside the container's network, both on the
   Docker host (the bridge's own address) and in a container attached to that network.
3. Otherwise the published port, if there is one.

On the Docker host the source address is the network's gateway. A source address inside the network that is *not* the
gateway can also mean that our LAN happens to use the same numbers, or that this is a macvlan network, which its own
host cannot reach; then a published port is the better guess.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import StartRefused
from gateway.runtimes.base import Address

Facts = Mapping[str, Any]
"""What Docker says about one container: the JSON of `docker inspect`."""


class NoAddressYetError(Exception):
    """The container has been started, but is not connected to its network yet: look again in a moment."""


@dataclass(frozen=True, slots=True)
class Vantage:
    """From where we look at containers.

    in_container: this process runs in a container itself. daemon_host: the machine that Docker runs on, if it is not
    this one. source_for: the source address that packets to another address would have; None if there is no way.
    """

    in_container: bool
    daemon_host: str | None
    source_for: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A container's place in one network."""

    address: str
    prefix: int
    gateway: str

    def holds(self, address: str | None) -> bool:
        network = ipaddress.ip_network(f"{self.address}/{self.prefix}", strict=False)
        return address is not None and ipaddress.ip_address(address) in network


def choose_address(facts: Facts, port: int, vantage: Vantage) -> Address:
    """The address of `port` inside this container, as seen from here.

    Raises NoAddressYetError, or StartRefused with what to do.
    """
    if network_mode(facts) == "host":
        return Address(vantage.daemon_host or "127.0.0.1", port)
    shared = {endpoint: source for endpoint in _endpoints(facts) if (source := _shared(endpoint, vantage))}
    for endpoint, source in shared.items():
        if vantage.in_container or source == endpoint.gateway:
            return Address(endpoint.address, port)
    for published in _published(facts, port, vantage):
        return published
    for endpoint in shared:
        return Address(endpoint.address, port)
    if _is_not_connected_yet(facts):
        raise NoAddressYetError
    raise StartRefused(_remedy(port, vantage))


def network_mode(facts: Facts) -> str:
    """`host`, `none`, `container:ID`, or the name of a network."""
    return str((facts.get("HostConfig") or {}).get("NetworkMode") or "")


def _endpoints(facts: Facts) -> Iterator[_Endpoint]:
    """All IPv4 addresses, then all IPv6 addresses."""
    for address, prefix, gateway in (
        ("IPAddress", "IPPrefixLen", "Gateway"),
        ("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"),
    ):
        for network in _networks(facts).values():
            if network.get(address):
                yield _Endpoint(network[address], network.get(prefix) or 0, network.get(gateway) or "")


def _networks(facts: Facts) -> Mapping[str, Mapping[str, Any]]:
    return {name: place or {} for name, place in (_settings(facts).get("Networks") or {}).items()}


def _settings(facts: Facts) -> Mapping[str, Any]:
    return facts.get("NetworkSettings") or {}


def _shared(endpoint: _Endpoint, vantage: Vantage) -> str | None:
    """Our own address in the container's network, if we are in it.

    Another machine's Docker uses the same numbers for its networks as ours, so there the kernel's word means nothing;
    except in a container, where a remote Docker usually is our own one behind a socket proxy.
    """
    if vantage.daemon_host and not vantage.in_container:
        return None
    source = vantage.source_for(endpoint.address)
    return source if endpoint.holds(source) else None


def _published(facts: Facts, port: int, vantage: Vantage) -> Iterator[Address]:
    """Where the port is published and can be used from here; IPv4 first."""
    bindings = (_settings(facts).get("Ports") or {}).get(f"{port}/tcp") or []
    for binding in sorted(bindings, key=lambda binding: ":" in (binding.get("HostIp") or "")):
        host, host_port = _dialled(binding.get("HostIp") or "0.0.0.0"), str(binding.get("HostPort") or "")
        if ipaddress.ip_address(host).is_loopback:
            if vantage.daemon_host and _is_wildcard(binding):
                host = vantage.daemon_host
            elif vantage.daemon_host or vantage.in_container:
                continue
        if host_port.isdigit():
            yield Address(host, int(host_port))


def _is_wildcard(binding: Mapping[str, Any]) -> bool:
    return (binding.get("HostIp") or "0.0.0.0") in ("0.0.0.0", "::")


def _dialled(host: str) -> str:
    """The address to connect to for one that is listened on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _is_not_connected_yet(facts: Facts) -> bool:
    networks = _networks(facts)
    return network_mode(facts) != "none" and bool(networks) and not any(_endpoints(facts))


def _remedy(port: int, vantage: Vantage) -> str:
    if vantage.in_container and not vantage.daemon_host:
        return "shares no network with the gateway's own container; attach both to one network"
    return f"shares no network with the gateway, and does not publish its port {port}; do one of the two"


def local_vantage(daemon_host: str | None) -> Vantage:
    """Where we are: this process, on this machine."""
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    return Vantage(in_container, daemon_host, kernel_source_for)


def kernel_source_for(address: str) -> str | None:
    """Asks the kernel's routing table by connecting a UDP socket, which sends nothing."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0]).partition("%")[0]
