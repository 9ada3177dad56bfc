"""Heads that every parser would understand the same way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequestFraming, HeadTooLarge
from gateway.server.head import MOST_HEADERS, Headers, check_head, origin_form

HOST = (b"host", b"whisper.test")


def refused(method: str, version: str, headers: Headers) -> str:
    with pytest.raises(BadRequestFraming) as caught:
        check_head(method, version, headers)
    return caught.value.message


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([HOST], False),
        ([HOST, (b"content-length", b"0")], False),
        ([HOST, (b"content-length", b"00")], False),
        ([HOST, (b"content-length", b"5")], True),
        ([HOST, (b"transfer-encoding", b"Chunked")], True),
    ],
)
def test_it_tells_whether_a_body_follows(headers: Headers, *, body: bool) -> None:
    assert check_head("POST", "1.1", headers) is body


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0"])
def test_only_1_0_and_1_1_are_spoken(version: str) -> None:
    assert f"HTTP/{version}" in refused("GET", version, [HOST])


def test_1_0_needs_no_host_and_1_1_needs_one() -> None:
    assert check_head("GET", "1.0", []) is False
    assert "exactly one Host" in refused("GET", "1.1", [])
    assert "exactly one Host" in refused("GET", "1.0", [HOST, HOST])


@pytest.mark.parametrize(
    "value", [b"a.b", b"a-b_c.D:1", b"127.0.0.1:80", b"[::1]", b"[fe80::1]:65535", b"a.", b"x" * 255 + b":1", b"99999"]
)
def test_a_host_with_an_optional_port_passes(value: bytes) -> None:
    check_head("GET", "1.1", [(b"host", value)])


@pytest.mark.parametrize(
    "value",
    [
        b"", b"a b", b"a,b", b"a/b", b"a@b", b"a:", b"a:b", b"a:123456", b"[::1", b"::1", b"[::1]x", b"[]", b"a\tb",
        "é".encode(), b"a?b", b"a#b", b"a%00", b"http://a", b"a\n", b"[::1%eth0]", b"*", b"(a)", b"a\\b", b"x" * 256,
        b"[" + b"1:" * 23 + b"]",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(value: bytes) -> None:
    assert "Host header" in refused("GET", "1.1", [(b"host", value)])


@pytest.mark.parametrize(
    "value", [b"gzip", b"identity", b"chunked, gzip", b"gzip, chunked", b"xchunked", b"", b"chunked;q=1"]
)
def test_the_only_coding_is_chunked(value: bytes) -> None:
    assert "chunked" in refused("POST", "1.1", [HOST, (b"transfer-encoding", value)])


def test_codings_are_not_for_1_0_and_not_for_two_lines() -> None:
    chunked = (b"transfer-encoding", b"chunked")
    assert "chunked" in refused("POST", "1.0", [HOST, chunked])
    assert "more than one" in refused("POST", "1.1", [HOST, chunked, chunked])


def test_connect_is_refused() -> None:
    assert "CONNECT" in refused("CONNECT", "1.1", [HOST])


def test_headers_are_counted() -> None:
    many = [HOST, *[(b"x", b"y")] * (MOST_HEADERS - 1)]
    check_head("GET", "1.1", many)
    with pytest.raises(HeadTooLarge):
        check_head("GET", "1.1", [*many, (b"x", b"y")])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", b"/"),
        (b"/a?b=c", b"/a?b=c"),
        (b"//a", b"//a"),
        (b"/http://other/", b"/http://other/"),
        (b"/?", b"/?"),
        (b"http://whisper.test", b"/"),
        (b"http://whisper.test/a", b"/a"),
        (b"HTTPS://WHISPER.TEST/a?b", b"/a?b"),
        (b"http://whisper.test?a=/b", b"/?a=/b"),
        (b"http://whisper.test/?", b"/?"),
    ],
)
def test_a_target_becomes_path_and_query(target: bytes, expected: bytes) -> None:
    assert origin_form(target, "GET", [HOST]) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"", b"*", b"a", b"?a", b"whisper.test:443", b"http:/whisper.test/", b"http://other.test/", b"http:///a",
        b"http://whisper.test:80/", b"http://a@whisper.test/", b"ftp://whisper.test/", b"/a#b", b"#", b"://whisper.test/",
        b"http://whisper.test.evil/", b"javascript:alert(1)",
    ],
)  # fmt: skip
def test_any_other_target_is_refused(target: bytes) -> None:
    with pytest.raises(BadRequestFraming):
        origin_form(target, "GET", [HOST])


def test_asterisk_is_for_options() -> None:
    assert origin_form(b"*", "OPTIONS", [HOST]) == b"*"


@given(st.binary(max_size=60))
def test_no_target_is_too_strange(target: bytes) -> None:
    """It is refused, or begins with a slash and names no other host."""
    try:
        seen = origin_form(target, "GET", [HOST])
    except BadRequestFraming:
        return
    assert seen.startswith(b"/")
    assert target.endswith(seen) or seen[1:] in target
