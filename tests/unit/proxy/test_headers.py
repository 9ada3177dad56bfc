"""Which headers pass, in both directions."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers import Headers, Peer
from gateway.proxy.headers import (
    FROM_PROXIES,
    HOP_BY_HOP,
    answer_headers,
    answer_trailers,
    has_body,
    identified,
    request_head,
    request_id,
    request_trailers,
    upgrade_headers,
)

STRANGER = Peer("203.0.113.7", trusted=False)
PROXY = Peer("10.0.0.1", trusted=True)
HOST = (b"host", b"whisper.test")
ID = b"0123"


def sent(headers: Headers, peer: Peer = STRANGER, **options: Any) -> Headers:
    """The headers of the head that goes to the engine."""
    scope = {"method": "GET", "gateway.target": b"/a%2Fb?", "headers": [HOST, *headers]}
    first, *lines = identified(request_head(scope, peer, **options), ID).removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == b"GET /a%2Fb? HTTP/1.1"
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


# to the engine


def test_what_is_not_known_passes_in_order() -> None:
    headers = [(b"accept", b"*/*"), (b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"cookie", b"c")]
    assert [pair for pair in sent(headers) if pair in headers] == headers


def test_passwords_and_keys_end_here_unless_the_engine_is_to_have_them() -> None:
    headers = [(b"authorization", b"Basic eDp5"), (b"authorization", b"Bearer x")]
    assert values(sent(headers), b"authorization") == []
    assert values(sent(headers, PROXY), b"authorization") == []
    assert values(sent(headers, authorization=True), b"authorization") == [b"Basic eDp5", b"Bearer x"]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {b"te", b"transfer-encoding"}))
def test_hop_by_hop_headers_end_here(name: bytes) -> None:
    assert values(sent([(name, b"x")]), name) == []


def test_what_connection_names_ends_here_too() -> None:
    headers = [(b"connection", b"X-Secret , close"), (b"x-secret", b"1"), (b"connection", b"cookie"), (b"cookie", b"c")]
    names = {name for name, _ in sent(headers)}
    assert names.isdisjoint({b"x-secret", b"cookie", b"connection"})


@pytest.mark.parametrize("pair", [HOST, (b"content-length", b"5"), (b"authorization", b"Bearer x")])
def test_connection_cannot_take_away_what_the_request_is(pair: tuple[bytes, bytes]) -> None:
    own = [] if pair == HOST else [pair]
    assert pair in sent([(b"connection", pair[0]), *own], authorization=True)


def test_a_coding_is_announced_again() -> None:
    assert values(sent([(b"transfer-encoding", b"Chunked")]), b"transfer-encoding") == [b"chunked"]


def test_a_length_is_written_without_zeros() -> None:
    assert values(sent([(b"content-length", b"007")]), b"content-length") == [b"7"]


def test_te_passes_for_trailers_only() -> None:
    assert values(sent([(b"te", b"gzip, Trailers;q=0.5")]), b"te") == [b"trailers"]
    assert values(sent([(b"te", b"gzip")]), b"te") == []


def test_an_upgrade_is_asked_for_anew() -> None:
    headers = sent([(b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"WebSocket")], upgrade=True)
    assert values(headers, b"upgrade") == [b"websocket"]
    assert values(headers, b"connection") == [b"Upgrade"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], b"1.1 whisper-gateway"),
        ([b"1.0 a"], b"1.0 a, 1.1 whisper-gateway"),
        ([b"1.0 a, 1.1 b", b"1.1 c"], b"1.0 a, 1.1 b, 1.1 c, 1.1 whisper-gateway"),
        ([b"1.1 whisper-gateway"], b"1.1 whisper-gateway, 1.1 whisper-gateway"),
    ],
)
def test_via_grows_at_its_end(before: list[bytes], after: bytes) -> None:
    assert values(sent([(b"via", value) for value in before]), b"via") == [after]


# where a request came from

TOLD = [
    b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix",
    b"x-forwarded-user", b"forwarded", b"x-real-ip", b"x-remote-user", b"remote-user", b"x-request-id",
]  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("spelled", ["hyphens", "underscores", "mixed"])
def test_a_strangers_word_is_dropped_however_it_is_spelled(name: bytes, spelled: str) -> None:
    if spelled != "hyphens":
        name = name.replace(b"-", b"_", 1 if spelled == "mixed" else -1)
    assert b"spoofed" not in b"".join(value for _, value in sent([(name, b"spoofed")]))


@pytest.mark.parametrize("name", [name.replace(b"-", b"_") for name in TOLD if b"-" in name])
def test_a_proxys_word_is_dropped_if_it_is_spelled_as_a_proxy_would_not(name: bytes) -> None:
    assert b"spoofed" not in b"".join(value for _, value in sent([(name, b"spoofed")], PROXY))


@pytest.mark.parametrize("peer", [STRANGER, PROXY])
@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | {b"content-length"}))
def test_a_name_that_frames_is_not_passed_in_another_spelling(name: bytes, peer: Peer) -> None:
    """WSGI and CGI turn both spellings into one variable."""
    for spelled in {name.replace(b"-", b"_"), name.replace(b"-", b"_", 1)} - {name}:
        assert values(sent([(spelled, b"5")], peer), spelled) == []


@pytest.mark.parametrize("name", [b"x-forwarded-user", b"x-forwarded-email", b"x-forwarded-", b"x-forwarded-ssl-cert"])
def test_a_proxys_word_is_dropped_if_it_may_be_a_clients(name: bytes) -> None:
    """Most proxies pass on what they do not know."""
    assert values(sent([(name, b"spoofed")], PROXY), name) == []


def test_other_names_may_hold_underscores() -> None:
    assert values(sent([(b"x_mine", b"1")]), b"x_mine") == [b"1"]


def test_what_we_say_of_a_stranger() -> None:
    headers = sent([])
    assert values(headers, b"x-forwarded-for") == [b"203.0.113.7"]
    assert values(headers, b"x-forwarded-proto") == [b"http"]
    assert values(headers, b"x-forwarded-host") == [b"whisper.test"]
    assert values(headers, b"x-request-id") == [ID]
    assert values(headers, b"forwarded") == []
    assert values(headers, b"x-remote-user") == []


def test_what_a_proxy_says_is_kept_and_continued() -> None:
    headers = sent(
        [
            (b"x-forwarded-for", b"203.0.113.7"),
            (b"x-forwarded-for", b"198.51.100.1"),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-host", b"outside.test"),
            (b"x-forwarded-port", b"443"),
            (b"x-real-ip", b"203.0.113.7"),
            (b"x-remote-user", b"ada"),
            (b"x-request-id", b"theirs"),
        ],
        PROXY,
    )
    assert values(headers, b"x-forwarded-for") == [b"203.0.113.7, 198.51.100.1, 10.0.0.1"]
    assert values(headers, b"x-forwarded-proto") == [b"https"]
    assert values(headers, b"x-forwarded-host") == [b"outside.test"]
    assert values(headers, b"x-forwarded-port") == [b"443"]
    assert values(headers, b"x-real-ip") == [b"203.0.113.7"]
    assert values(headers, b"x-remote-user") == [b"ada"]
    assert values(headers, b"x-request-id") == [ID]  # the id that request_id() chose, once


@pytest.mark.parametrize(
    ("address", "node"), [("10.0.0.1", b"10.0.0.1"), ("2001:db8::1", b'"[2001:db8::1]"'), ("::1", b'"[::1]"')]
)
def test_forwarded_is_continued_with_ipv6_in_quotes(address: str, node: bytes) -> None:
    """RFC 7239 section 6."""
    headers = sent([(b"forwarded", b"for=203.0.113.7;proto=https")], Peer(address, trusted=True))
    assert values(headers, b"forwarded") == [b"for=203.0.113.7;proto=https, for=" + node]
    assert values(headers, b"x-forwarded-for") == [address.encode()]


@pytest.mark.parametrize("name", [b"x-forwardedness", b"x-real-ip-of-mine", b"x-remote", b"remotely", b"xyz"])
def test_what_only_resembles_them_passes(name: bytes) -> None:
    assert values(sent([(name, b"mine")]), name) == [b"mine"]


# the request's id


def test_a_proxys_id_is_used() -> None:
    assert request_id([(b"x-request-id", b"a-B.1:_")], PROXY) == b"a-B.1:_"


@pytest.mark.parametrize("value", [b"", b"a b", b"x" * 129, b'"', b"a\tb", "é".encode()])
def test_an_id_that_could_break_a_log_is_replaced(value: bytes) -> None:
    assert request_id([(b"x-request-id", value)], PROXY) != value


def test_ids_differ_and_a_strangers_is_not_used() -> None:
    ids = {request_id([(b"x-request-id", b"mine")], STRANGER) for _ in range(1000)}
    assert len(ids) == 1000
    assert b"mine" not in ids


# trailers


@pytest.mark.parametrize("name", sorted(FROM_PROXIES | HOP_BY_HOP | {b"host", b"content-length", b"cookie"}))
def test_a_trailer_cannot_say_what_a_head_must(name: bytes) -> None:
    assert request_trailers([(name, b"x"), (name.replace(b"-", b"_"), b"x"), (b"x-check", b"1")]) == b"x-check: 1\r\n"


@pytest.mark.parametrize("name", [*sorted(HOP_BY_HOP), b"content-length", b"set-cookie", b"location", b"x-request-id"])
def test_nor_can_a_trailer_of_an_answer(name: bytes) -> None:
    trailers = [(name, b"x"), (name.replace(b"-", b"_"), b"x"), (b"x-check", b"1")]
    assert answer_trailers(trailers) == [(b"x-check", b"1")]


# to the client


def test_answers_lose_what_is_hop_by_hop_and_keep_the_rest_in_order() -> None:
    headers = [
        (b"set-cookie", b"a"), (b"connection", b"x-hop, close"), (b"x-hop", b"1"), (b"keep-alive", b"5"),
        (b"set-cookie", b"b"), (b"transfer-encoding", b"chunked"), (b"server", b"engine"),
    ]  # fmt: skip
    assert answer_headers(headers, ID) == [
        (b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"server", b"engine"), (b"x-request-id", ID),
    ]  # fmt: skip


def test_an_engines_own_id_stays() -> None:
    assert values(answer_headers([(b"x-request-id", b"own")], ID), b"x-request-id") == [b"own"]


def test_an_informational_answer_gets_no_id() -> None:
    assert answer_headers([(b"link", b"x")], ID, informational=True) == [(b"link", b"x")]


def test_an_agreed_upgrade_is_said_anew() -> None:
    headers = upgrade_headers(
        [(b"upgrade", b"WebSocket"), (b"connection", b"upgrade"), (b"content-length", b"0"), (b"sec-x", b"1")], ID
    )
    assert headers == [
        (b"sec-x", b"1"), (b"x-request-id", ID), (b"connection", b"Upgrade"), (b"upgrade", b"websocket"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"000")], False),
        ([(b"content-length", b"10")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_body_is_announced_by_a_length_or_a_coding(headers: Headers, *, expected: bool) -> None:
    assert has_body(headers) is expected


# whatever comes

NAMES = st.text(string.ascii_lowercase + "-_", min_size=1, max_size=20).map(str.encode)
VALUES = st.text(string.ascii_letters + string.digits + " ,;=\"'/-_", max_size=40).map(
    lambda text: text.strip().encode()
)


@given(st.lists(st.tuples(st.one_of(NAMES, st.sampled_from(sorted(HOP_BY_HOP) + TOLD)), VALUES)), st.booleans())
def test_a_head_is_always_one_head(headers: Headers, trusted: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    usable = [(name, value) for name, value in headers if name not in (b"host", b"content-length")]
    peer = Peer("10.0.0.1", trusted=trusted)
    seen = sent(usable, peer)
    assert len(values(seen, b"host")) == 1
    assert len(values(seen, b"via")) == 1
    assert len(values(seen, b"x-request-id")) == 1
    assert len(values(seen, b"x-forwarded-for")) == 1
    assert all(name for name, _ in seen)
    assert HOP_BY_HOP.isdisjoint({name for name, _ in seen} - {b"te", b"connection", b"transfer-encoding"})
