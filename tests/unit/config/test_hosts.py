from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hosts import Listen, parse_hostname, parse_listen, parse_network, parse_origin


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:8890", Listen("127.0.0.1", 8890)),
        ("localhost:80", Listen("127.0.0.1", 80)),
        ("0.0.0.0:0", Listen("0.0.0.0", 0)),
        ("[::1]:8890", Listen("::1", 8890)),
        ("[0:0::1]:8890", Listen("::1", 8890)),
        (Listen("::", 1), Listen("::", 1)),
    ],
)
def test_an_address_to_listen_on_is_read(text: object, listen: Listen) -> None:
    assert parse_listen(text) == listen
    assert parse_listen(str(listen)) == listen


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("8890", 'try "127.0.0.1:8890"'),
        (":81", 'try "127.0.0.1:81"'),
        ("*:81", 'try "127.0.0.1:81"'),
        ("::1:81", 'try "[::1]:81"'),
        ("[127.0.0.1]:81", 'try "127.0.0.1:81"'),
        ("example.org:81", 'try "127.0.0.1:81"'),
        ("127.0.0.1:\uff18\uff10", 'try "127.0.0.1:8890"'),
        ("127.0.0.1:+80", 'try "127.0.0.1:8890"'),
        ("127.0.0.1", 'try "127.0.0.1:8890"'),
        ("127.0.0.1:65536", "has no such port (1 to 65535)"),
        ("", 'try "127.0.0.1:8890"'),
        ([], "an address to listen on is expected, not a list"),
    ],
)
def test_what_cannot_be_listened_on_is_refused_with_a_remedy(wrong: object, remedy: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_listen(wrong)
    assert remedy in str(refusal.value)


def test_only_loopback_is_loopback() -> None:
    assert Listen("127.0.0.2", 1).is_loopback
    assert Listen("::1", 1).is_loopback
    assert not Listen("0.0.0.0", 1).is_loopback


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "0.0.0.0:80", True),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("[::1]:80", "127.0.0.1:80", False),
    ],
)
def test_two_servers_need_two_addresses(one: str, other: str, *, collide: bool) -> None:
    assert parse_listen(one).collides_with(parse_listen(other)) is collide


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Whisper.Example.ORG.", "whisper.example.org"),
        ("localhost", "localhost"),
        ("my_host-1", "my_host-1"),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("1e3.example", "1e3.example"),
    ],
)
def test_a_hostname_is_read_in_one_spelling(text: str, name: str) -> None:
    assert parse_hostname(text) == name


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("https://whisper.example.org/", "leave out scheme, port and path"),
        ("whisper.example.org:443", "leave out scheme, port and path"),
        ("*.example.org", "patterns are not supported"),
        ("münchen.example", 'try "xn--mnchen-3ya.example"'),
        ("\u212aelvin.example", 'try "kelvin.example"'),
        ("two words", 'try "whisper.example.org"'),
        ("a..b", 'try "whisper.example.org"'),
        ("name\n", 'try "whisper.example.org"'),
        ("", 'try "whisper.example.org"'),
        ("a" * 64, 'try "whisper.example.org"'),
        (".".join(["a" * 60] * 5), 'try "whisper.example.org"'),
        ({}, "a hostname is expected, not settings"),
    ],
)
def test_what_is_no_hostname_is_refused_with_a_remedy(wrong: object, remedy: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_hostname(wrong)
    assert remedy in str(refusal.value)


def refusal_of(text: str) -> tuple[str, str]:
    try:
        return "", parse_hostname(text)
    except ValueError as refusal:
        return str(refusal), ""


@given(st.text())
def test_any_text_is_a_printable_hostname_or_a_value_error(text: str) -> None:
    said, name = refusal_of(text)
    assert said.isprintable()
    assert said or parse_hostname(name) == name


@pytest.mark.parametrize(
    ("text", "network"),
    [("127.0.0.1", "127.0.0.1/32"), ("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1/128")],
)
def test_a_network_is_read(text: str, network: str) -> None:
    assert parse_network(text) == network


@pytest.mark.parametrize("wrong", ["nginx", "10.0.0.0/33", "", "10.0.0.0/8 ", [], {}])
def test_what_is_no_network_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="network"):
        parse_network(wrong)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://portal.example.org", "https://portal.example.org"),
        ("HTTPS://Portal.Example.org:443", "https://portal.example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://[0:0::1]", "https://[::1]"),
        ("*", "*"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "wrong",
    [
        "portal.example.org", "https://", "https://a/", "https://a/path", "https://*.example.org", "ftp://a", "null",
        "https://a:99999", "https://a:", "https://a b", "https://[::1", "https://[x]", "https://a@b", "https://a?b", "",
        [], {},
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"origin|hostname"):
        parse_origin(wrong)
