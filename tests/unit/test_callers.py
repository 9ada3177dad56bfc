"""Who is at the other end: proxies and strangers, and whom proxies speak for."""

from __future__ import annotations

import pytest

from gateway.callers import ANYBODY, NOBODY, Caller, Peer, Peers, origin_of

PEERS = Peers(["10.0.0.0/8", "::1/128"])
PROXY = PEERS.of("10.0.0.1")


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("10.9.9.9", Peer("10.9.9.9", trusted=True)),
        ("::ffff:10.0.0.1", Peer("10.0.0.1", trusted=True)),
        ("::1", Peer("::1", trusted=True)),
        ("11.0.0.1", Peer("11.0.0.1", trusted=False)),
        ("::2", Peer("::2", trusted=False)),
    ],
)
def test_a_proxy_is_told_by_its_address(address: str, peer: Peer) -> None:
    assert PEERS.of(address) == peer


def test_a_peer_that_was_gone_before_it_was_asked_is_nobody() -> None:
    assert PEERS.at(None) is NOBODY
    assert not NOBODY.trusted
    assert PEERS.client_of(NOBODY, [(b"x-forwarded-for", b"1.2.3.4")]) == "unknown"


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ([], "10.0.0.1"),
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"198.51.100.1, 203.0.113.7"], "203.0.113.7"),  # the first was made up, or cannot be known not to be
        ([b"203.0.113.7, 10.0.0.2"], "203.0.113.7"),  # through two of our proxies
        ([b"203.0.113.7", b"10.0.0.2"], "203.0.113.7"),  # in two headers
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # from the inside
        ([b"rubbish, 10.0.0.2"], "10.0.0.2"),
        ([b"203.0.113.7, unknown"], "10.0.0.1"),
        ([b"\xff"], "10.0.0.1"),
        ([b"::ffff:203.0.113.7"], "203.0.113.7"),
        ([b"2001:db8::7"], "2001:db8::7"),
    ],
)
def test_the_client_is_the_nearest_who_is_no_proxy_of_ours(said: list[bytes], client: str) -> None:
    assert PEERS.client_of(PROXY, [(b"x-forwarded-for", value) for value in said]) == client


def test_a_stranger_speaks_for_nobody_but_himself() -> None:
    stranger = PEERS.of("192.0.2.1")
    assert PEERS.client_of(stranger, [(b"x-forwarded-for", b"203.0.113.7")]) == "192.0.2.1"


def test_a_caller_may_use_the_hosts_it_was_given() -> None:
    assert ANYBODY.may_use("a.example.org")
    key = Caller("key", "ci", frozenset({"a.example.org"}))
    assert key.may_use("a.example.org")
    assert not key.may_use("b.example.org")
    assert not Caller("key", "none", frozenset()).may_use("a.example.org")


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.1", "192.0.2.1"), ("unknown", "unknown"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::1", "::/64"), ("fe80::1%eth0", "fe80::/64"),
    ],
)  # fmt: skip
def test_whom_an_address_counts_for(address: str, origin: str) -> None:
    assert origin_of(address) == origin
