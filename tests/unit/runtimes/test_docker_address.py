"""The choice of a container's address, over what Docker really says in each case."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from gateway.errors import StartRefused
from gateway.runtimes.base import Address
from gateway.runtimes.docker_address import NoAddressYetError, Vantage, choose_address, kernel_source_for


def network(address: str = "", gateway: str = "", prefix: int = 16, **more: Any) -> dict[str, Any]:
    return {"IPAddress": address, "IPPrefixLen": prefix if address else 0, "Gateway": gateway, **more}


def container(
    *networks: dict[str, Any], mode: str = "bridge", published: list[tuple[str, str]] | None = None
) -> dict[str, Any]:
    bindings = None if published is None else [{"HostIp": host, "HostPort": port} for host, port in published]
    return {
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {
            "Networks": {f"net{number}": one for number, one in enumerate(networks)},
            "Ports": {"8000/tcp": bindings, "9000/tcp": [{"HostIp": "", "HostPort": "1"}], "8000/udp": None},
        },
    }


def seen_from(
    *own_addresses: str, in_container: bool = False, daemon_host: str | None = None, default: str = "192.168.1.5"
) -> Vantage:
    """A machine with these addresses, each in a /16 or /64, and a default route."""

    def source_for(address: str) -> str | None:
        for own in own_addresses:
            prefix = 64 if ":" in own else 16
            if ipaddress.ip_address(address) in ipaddress.ip_network(f"{own}/{prefix}", strict=False):
                return own
        return None if ":" in address else default

    return Vantage(in_container, daemon_host, source_for)


BRIDGED = network("172.17.0.2", gateway="172.17.0.1")
ON_THE_HOST = seen_from("172.17.0.1")
ELSEWHERE = seen_from()
IN_A_CONTAINER_BESIDE = seen_from("172.17.0.9", in_container=True)
IN_ANOTHER_CONTAINER = seen_from("172.30.0.9", in_container=True, default="172.30.0.9")


def chosen(facts: dict[str, Any], vantage: Vantage) -> str:
    return str(choose_address(facts, 8000, vantage))


def test_on_the_docker_host_the_containers_own_address() -> None:
    assert chosen(container(BRIDGED), ON_THE_HOST) == "172.17.0.2:8000"


def test_from_a_container_on_the_same_network_the_containers_own_address() -> None:
    assert chosen(container(BRIDGED), IN_A_CONTAINER_BESIDE) == "172.17.0.2:8000"


def test_a_shared_network_beats_a_published_port() -> None:
    facts = container(BRIDGED, published=[("0.0.0.0", "32768")])
    assert chosen(facts, ON_THE_HOST) == "172.17.0.2:8000"
    assert chosen(facts, IN_A_CONTAINER_BESIDE) == "172.17.0.2:8000"


def test_of_several_networks_the_one_that_is_shared() -> None:
    facts = container(network("10.9.0.4", gateway="10.9.0.1"), BRIDGED)
    assert chosen(facts, IN_A_CONTAINER_BESIDE) == "172.17.0.2:8000"


def test_an_internal_network_has_no_gateway_and_is_shared_all_the_same() -> None:
    assert chosen(container(network("172.17.0.2")), ON_THE_HOST) == "172.17.0.2:8000"


def test_ipv4_is_preferred_and_ipv6_is_used() -> None:
    six: dict[str, Any] = {"GlobalIPv6Address": "fd00::2", "GlobalIPv6PrefixLen": 64, "IPv6Gateway": "fd00::1"}
    both = container(network("172.17.0.2", gateway="172.17.0.1", **six))
    assert chosen(both, seen_from("172.17.0.1", "fd00::1")) == "172.17.0.2:8000"
    assert chosen(both, seen_from("fd00::1")) == "[fd00::2]:8000"
    assert chosen(container(network(**six)), seen_from("fd00::1")) == "[fd00::2]:8000"


@pytest.mark.parametrize(
    ("bindings", "address"),
    [
        ([("0.0.0.0", "32768"), ("::", "32768")], "127.0.0.1:32768"),
        ([("::", "32769"), ("0.0.0.0", "32768")], "127.0.0.1:32768"),
        ([("", "32768")], "127.0.0.1:32768"),
        ([("::", "32768")], "[::1]:32768"),
        ([("127.0.0.1", "8000")], "127.0.0.1:8000"),
        ([("::1", "8000")], "[::1]:8000"),
        ([("192.168.1.5", "80")], "192.168.1.5:80"),
        ([("0.0.0.0", ""), ("0.0.0.0", "81")], "127.0.0.1:81"),
    ],
)
def test_without_a_shared_network_the_published_port(bindings: list[tuple[str, str]], address: str) -> None:
    assert chosen(container(BRIDGED, published=bindings), ELSEWHERE) == address
    assert chosen(container(published=bindings), ELSEWHERE) == address


def test_a_source_inside_the_network_that_is_not_its_gateway_is_the_weaker_hint() -> None:
    """Our LAN may use the same numbers; or it is a macvlan network, which its own host cannot reach."""
    lookalike = seen_from("172.17.5.5")
    assert chosen(container(BRIDGED, published=[("0.0.0.0", "32768")]), lookalike) == "127.0.0.1:32768"
    assert chosen(container(BRIDGED), lookalike) == "172.17.0.2:8000"


def test_the_hosts_network_is_the_loopback_address() -> None:
    facts = container(network(), mode="host")
    assert chosen(facts, ON_THE_HOST) == "127.0.0.1:8000"
    assert chosen(facts, seen_from(daemon_host="docker.example.org")) == "docker.example.org:8000"


# Docker on another machine


REMOTE = seen_from("172.17.0.1", daemon_host="docker.example.org")
"""A machine with a Docker of its own, and so with the same numbers, that uses another machine's Docker."""


def test_another_machines_container_is_reached_by_its_published_port_there() -> None:
    assert chosen(container(BRIDGED, published=[("0.0.0.0", "32768")]), REMOTE) == "docker.example.org:32768"
    assert chosen(container(BRIDGED, published=[("10.1.1.1", "80")]), REMOTE) == "10.1.1.1:80"


@pytest.mark.parametrize("bindings", [None, [("127.0.0.1", "8000")]])
def test_another_machines_container_without_a_port_for_us_is_refused(bindings: list[tuple[str, str]] | None) -> None:
    with pytest.raises(StartRefused, match="does not publish its port 8000"):
        chosen(container(BRIDGED, published=bindings), REMOTE)


def test_behind_a_socket_proxy_in_a_container_shared_networks_count() -> None:
    proxied = seen_from("172.17.0.9", in_container=True, daemon_host="socket-proxy")
    assert chosen(container(BRIDGED), proxied) == "172.17.0.2:8000"


# nothing fits


def test_neither_shared_nor_published_says_what_to_do() -> None:
    with pytest.raises(StartRefused, match="shares no network with the gateway, and does not publish its port 8000"):
        chosen(container(BRIDGED), ELSEWHERE)


def test_in_a_container_a_port_published_on_the_hosts_loopback_is_of_no_use() -> None:
    for bindings in ([("0.0.0.0", "32768")], [("127.0.0.1", "8000")]):
        with pytest.raises(StartRefused, match="attach both to one network"):
            chosen(container(BRIDGED, published=bindings), IN_ANOTHER_CONTAINER)
    assert chosen(container(BRIDGED, published=[("192.168.1.5", "80")]), IN_ANOTHER_CONTAINER) == "192.168.1.5:80"


def test_a_container_that_is_being_connected_has_no_address_yet() -> None:
    with pytest.raises(NoAddressYetError):
        chosen(container(network()), ON_THE_HOST)


def test_a_container_without_any_network_never_has_one() -> None:
    for facts in (container(network(), mode="none"), container(), {}, {"NetworkSettings": {"Networks": None}}):
        with pytest.raises(StartRefused):
            chosen(facts, ON_THE_HOST)


def test_a_rootless_podmans_container_has_no_address_but_a_port() -> None:
    facts = container(network(), mode="slirp4netns", published=[("", "8000")])
    assert chosen(facts, ON_THE_HOST) == "127.0.0.1:8000"


# the kernel


def test_the_kernel_knows_the_source_of_what_it_would_send() -> None:
    assert kernel_source_for("127.0.0.1") == "127.0.0.1"
    assert kernel_source_for("255.255.255.255") is None


def test_an_address_prints_as_in_a_url() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
