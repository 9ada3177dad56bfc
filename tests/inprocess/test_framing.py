"""A request that two parsers could understand differently is refused with 400, and the engine never hears of it.

Sources: RFC 9112 sections 2.2, 3, 5, 6, 7 and 11.2, and what request smuggling tools try.
"""

from __future__ import annotations

import json

import pytest

from tests.fixtures.raw_client import RawAnswer, RawClient
from tests.inprocess.conftest import Stats

HOST = "Host: whisper.test\r\n"
POST = f"POST /sum HTTP/1.1\r\n{HOST}"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: whisper.test\r\n\r\n"

LENGTHS = {
    "length, then chunked": POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunked and length 0": POST + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "two different lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": POST + "Content-Length: 5, 5\r\n\r\nhello",
    "signed length": POST + "Content-Length: +5\r\n\r\nhello",
    "negative length": POST + "Content-Length: -5\r\n\r\nhello",
    "hexadecimal length": POST + "Content-Length: 0x5\r\n\r\nhello",
    "empty length": POST + "Content-Length:\r\n\r\nhello",
    "length with a point": POST + "Content-Length: 5.0\r\n\r\nhello",
    "length with a space inside": POST + "Content-Length: 1 5\r\n\r\nhello",
    "length beyond 64 bits": POST + "Content-Length: 18446744073709551617\r\n\r\nhello",
    "a length with thousands of zeros": POST + f"Content-Length: {'0' * 5000}5\r\n\r\nhello",
    "nothing but thousands of zeros": f"GET /hello HTTP/1.1\r\n{HOST}Content-Length: {'0' * 5000}\r\n\r\n",
    "gzip": POST + "Transfer-Encoding: gzip\r\n\r\n",
    "gzip, then chunked": POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "xchunked": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": POST + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked in quotes": POST + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked twice in one line": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice in two lines": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two codings in two lines": POST + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "empty coding": POST + "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello",
    "vertical tab before chunked": POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": f"POST /sum HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both on GET": f"GET /sum HTTP/1.1\r\n{HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
}
FIELDS = {
    "space before the colon": POST + "Content-Length : 5\r\n\r\nhello",
    "tab before the colon": POST + "Content-Length\t: 5\r\n\r\nhello",
    "a folded line": POST + "X-Folded: a\r\n b\r\n\r\n",
    "a folded line with a tab": POST + "X-Folded: a\r\n\tb\r\n\r\n",
    "the first line folded": f"GET /hello HTTP/1.1\r\n {HOST}\r\n",
    "bare LF behind the request line": f"GET /hello HTTP/1.1\n{HOST}\r\n",
    "bare LF behind a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\nX: y\r\n\r\n",
    "bare LF at the end of the head": f"GET /hello HTTP/1.1\r\n{HOST}\n",
    "bare CR in a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\r\nX: a\rb\r\n\r\n",
    "bare CR behind a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\rX: y\r\n\r\n",
    "NUL in a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\r\nX: a\0b\r\n\r\n",
    "NUL in a name": "GET /hello HTTP/1.1\r\nHost: whisper.test\r\nX\0: a\r\n\r\n",
    "a control character in a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\r\nX: a\x01b\r\n\r\n",
    "DEL in a header": "GET /hello HTTP/1.1\r\nHost: whisper.test\r\nX: a\x7fb\r\n\r\n",
    "a space in a name": f"GET /hello HTTP/1.1\r\n{HOST}X Y: z\r\n\r\n",
    "a line without a colon": f"GET /hello HTTP/1.1\r\n{HOST}nonsense\r\n\r\n",
    "a line with an empty name": f"GET /hello HTTP/1.1\r\n{HOST}: x\r\n\r\n",
    "a name beyond ASCII": f"GET /hello HTTP/1.1\r\n{HOST}X-\xe9: z\r\n\r\n",
    "brackets in a name": f"GET /hello HTTP/1.1\r\n{HOST}X[0]: z\r\n\r\n",
}
HOSTS = {
    "no Host": "GET /hello HTTP/1.1\r\n\r\n",
    "two Hosts": f"GET /hello HTTP/1.1\r\n{HOST}Host: other.test\r\n\r\n",
    "the same Host twice": f"GET /hello HTTP/1.1\r\n{HOST}{HOST}\r\n",
    "an empty Host": "GET /hello HTTP/1.1\r\nHost:\r\n\r\n",
    "two names in one Host": "GET /hello HTTP/1.1\r\nHost: whisper.test, other.test\r\n\r\n",
    "a path in Host": "GET /hello HTTP/1.1\r\nHost: whisper.test/x\r\n\r\n",
    "a user in Host": "GET /hello HTTP/1.1\r\nHost: a@whisper.test\r\n\r\n",
    "a word as port": "GET /hello HTTP/1.1\r\nHost: whisper.test:http\r\n\r\n",
    "an empty port": "GET /hello HTTP/1.1\r\nHost: whisper.test:\r\n\r\n",
    "a space in Host": "GET /hello HTTP/1.1\r\nHost: whisper.test evil\r\n\r\n",
    "an open bracket": "GET /hello HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "two Hosts in 1.0": f"GET /hello HTTP/1.0\r\n{HOST}Host: other.test\r\n\r\n",
}
REQUEST_LINES = {
    "another host in the target": f"GET http://other.test/hello HTTP/1.1\r\n{HOST}\r\n",
    "another port in the target": f"GET http://whisper.test:1/hello HTTP/1.1\r\n{HOST}\r\n",
    "a user in the target": f"GET http://a@whisper.test/hello HTTP/1.1\r\n{HOST}\r\n",
    "another scheme": f"GET ftp://whisper.test/hello HTTP/1.1\r\n{HOST}\r\n",
    "a path that does not begin with a slash": f"GET hello HTTP/1.1\r\n{HOST}\r\n",
    "asterisk on GET": f"GET * HTTP/1.1\r\n{HOST}\r\n",
    "CONNECT": f"CONNECT whisper.test:443 HTTP/1.1\r\n{HOST}\r\n",
    "CONNECT with a path": f"CONNECT /hello HTTP/1.1\r\n{HOST}\r\n",
    "HTTP/0.9 with a version": f"GET /hello HTTP/0.9\r\n{HOST}\r\n",
    "HTTP/0.9": "GET /hello\r\n\r\n",
    "HTTP/1.2": f"GET /hello HTTP/1.2\r\n{HOST}\r\n",
    "HTTP/2.0": f"GET /hello HTTP/2.0\r\n{HOST}\r\n",
    "HTTP/1.10": f"GET /hello HTTP/1.10\r\n{HOST}\r\n",
    "another protocol": f"GET /hello ICY/1.1\r\n{HOST}\r\n",
    "lower-case version": f"GET /hello http/1.1\r\n{HOST}\r\n",
    "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case method": f"get /hello HTTP/1.1\r\n{HOST}\r\n",
    "an unknown method": f"BREW /hello HTTP/1.1\r\n{HOST}\r\n",
    "a path beyond ASCII": f"GET /caf\xe9 HTTP/1.1\r\n{HOST}\r\n",
    "a fragment": f"GET /hello#part HTTP/1.1\r\n{HOST}\r\n",
    "a space in the path": f"GET /hel lo HTTP/1.1\r\n{HOST}\r\n",
    "a tab in the path": f"GET /hel\tlo HTTP/1.1\r\n{HOST}\r\n",
    "a space at the end": f"GET /hello HTTP/1.1 \r\n{HOST}\r\n",
    "NUL in the path": f"GET /hel\0lo HTTP/1.1\r\n{HOST}\r\n",
    "garbage": "\x00\xff\x01garbage\r\n\r\n",
    "a TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x5a" * 32,
    "SSH": "SSH-2.0-OpenSSH_9.2\r\n",
    "an upgrade with a body": f"GET /ws HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Content-Length: 5\r\n\r\nhello",
}
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = {
    "a size that is no number": "g\r\nhello\r\n0\r\n\r\n",
    "a size with a prefix": "0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": "-5\r\nhello\r\n0\r\n\r\n",
    "a signed size": "+5\r\nhello\r\n0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits by far": "f" * 40 + "\r\nhello\r\n0\r\n\r\n",
    "a space before the size": " 5\r\nhello\r\n0\r\n\r\n",
    "a space behind the size": "5 \r\nhello\r\n0\r\n\r\n",
    "more data than the size": "5\r\nhello world\r\n0\r\n\r\n",
    "less data than the size": "5\r\nhel\r\n0\r\n\r\nXX",
    "bare LF behind a size": "5\nhello\r\n0\r\n\r\n",
    "bare CR behind a size": "5\rhello\r\n0\r\n\r\n",
    "bare LF behind data": "5\r\nhello\n0\r\n\r\n",
    "bare LF in an extension": "5;a=\nb\r\nhello\r\n0\r\n\r\n",
    "bare CR in an extension": "5;a=\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": "5;a=\0\r\nhello\r\n0\r\n\r\n",
    "bare LF at the end": "0\r\n\n",
    "a folded trailer": "0\r\nX: a\r\n b\r\n\r\n",
    "a length in a trailer": "0\r\nContent-Length: 5\r\n\r\n",
    "a coding in a trailer": "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a trailer with a space before the colon": "0\r\nX : a\r\n\r\n",
}


def refusal_of(raw: RawClient, request: str) -> RawAnswer:
    """The one answer, after which the connection must end."""
    answer = raw.send(request).answer()
    raw.finish_sending()
    assert raw.rest() == b""
    return answer


@pytest.mark.parametrize("case", [*LENGTHS, *FIELDS, *HOSTS, *REQUEST_LINES])
def test_an_ambiguous_head_is_400_and_never_reaches_the_engine(raw: RawClient, stats: Stats, case: str) -> None:
    before = stats()["requests"]
    answer = refusal_of(raw, (LENGTHS | FIELDS | HOSTS | REQUEST_LINES)[case] + SMUGGLED)
    assert answer.status == 400
    assert answer.get("connection") == "close"
    assert answer.get("content-type") == "application/problem+json"
    assert json.loads(answer.body)["code"] == "bad_request_framing"
    assert stats()["requests"] == before


@pytest.mark.parametrize("case", CHUNKS)
def test_a_broken_chunk_cuts_the_request_and_nothing_behind_it_is_a_request(
    raw: RawClient, stats: Stats, case: str
) -> None:
    """The engine may have the head by then; it never gets a body that looks complete, nor what came behind."""
    before = stats()
    answer = refusal_of(raw, CHUNKED + CHUNKS[case] + SMUGGLED)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "bad_request_framing")
    after = stats()
    assert after["requests"].get("/smuggled") is None
    assert after["requests"].get("/sum", 0) in (
        before["requests"].get("/sum", 0),
        before["requests"].get("/sum", 0) + 1,
    )


def test_a_chunk_that_breaks_later_cuts_the_engines_request(raw: RawClient, stats: Stats) -> None:
    left = stats()["client_left"]
    raw.send(CHUNKED + "5\r\nhello\r\n")
    stats.until_active(1)
    answer = refusal_of(raw, "x\r\n" + SMUGGLED)
    assert answer.status == 400
    stats.until_active(0)
    assert stats()["client_left"] == left + 1
    assert "/smuggled" not in stats()["requests"]


@pytest.mark.parametrize(
    "request_line",
    ["GET http://whisper.test/hello HTTP/1.1", "GET HTTP://WHISPER.test/hello HTTP/1.1", "GET /hello HTTP/1.1"],
)
def test_the_absolute_form_with_the_same_host_is_served(raw: RawClient, request_line: str) -> None:
    assert raw.send(f"{request_line}\r\n{HOST}\r\n").answer().body.startswith(b"Hello")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://whisper.test", "/"),
        ("http://whisper.test/", "/"),
        ("http://whisper.test?a=b", "/?a=b"),
        ("http://whisper.test?a=b/c", "/?a=b/c"),
        ("http://whisper.test/headers?a=http://x/", "/headers?a=http://x/"),
    ],
)
def test_the_absolute_form_becomes_path_and_query(raw: RawClient, stats: Stats, target: str, path: str) -> None:
    seen = stats()["requests"].get(path.partition("?")[0], 0)
    answer = raw.send(f"GET {target} HTTP/1.1\r\n{HOST}\r\n").answer()
    if path.startswith("/headers"):
        assert json.loads(answer.body)["target"] == path
    assert stats()["requests"][path.partition("?")[0]] == seen + 1


def test_options_for_the_server_as_a_whole_reaches_the_engine(raw: RawClient, stats: Stats) -> None:
    before = stats.requests().get("*", 0)
    assert raw.send(f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n").answer().status == 404
    assert stats.requests()["*"] == before + 1


def test_a_refusal_is_said_only_after_the_answers_that_are_due(raw: RawClient) -> None:
    raw.send(f"GET /slow?ms=100 HTTP/1.1\r\n{HOST}\r\nGET /hello HTTP/1.1\r\n{HOST}\r\nnonsense\r\n\r\n")
    assert [raw.answer().status for _ in range(3)] == [200, 200, 400]
    raw.finish_sending()
    assert raw.rest() == b""


def test_a_broken_body_behind_another_request_is_refused_in_its_turn(raw: RawClient, stats: Stats) -> None:
    before = stats()["requests"].get("/sum", 0)
    raw.send(f"GET /slow?ms=100 HTTP/1.1\r\n{HOST}\r\n" + CHUNKED + "5\r\nhello\r\nx\r\n" + SMUGGLED)
    assert [raw.answer().status for _ in range(2)] == [200, 400]
    raw.finish_sending()
    assert raw.rest() == b""
    assert stats()["requests"].get("/sum", 0) == before


def test_an_answer_under_way_is_cut_when_its_request_breaks(raw: RawClient) -> None:
    """A 400 in the middle of an answer would be taken for a part of it."""
    raw.send(f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert raw.head().status == 200
    assert raw.take(10) == b"5\r\nhello\r\n"
    raw.send("nonsense\r\n")
    assert raw.ended()


@pytest.mark.parametrize("body", [SMUGGLED, "0\r\n\r\n" + SMUGGLED, "\r\n\r\n" + SMUGGLED])
def test_a_request_inside_a_body_never_gets_an_answer(raw: RawClient, stats: Stats, body: str) -> None:
    raw.send(f"{POST}Content-Length: {len(body)}\r\n\r\n{body}")
    assert json.loads(raw.answer().body)["bytes"] == len(body)
    raw.send(f"{POST}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n")
    assert json.loads(raw.answer().body)["bytes"] == len(body)
    assert raw.quiet()
    assert "/smuggled" not in stats()["requests"]


def test_a_body_on_get_is_a_body(raw: RawClient, stats: Stats) -> None:
    raw.send(f"GET /sum HTTP/1.1\r\n{HOST}Content-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}")
    assert json.loads(raw.answer().body)["bytes"] == len(SMUGGLED)
    assert "/smuggled" not in stats()["requests"]


def test_a_body_that_nobody_promised_after_expect_is_not_taken_for_a_body(raw: RawClient, stats: Stats) -> None:
    """A client that is refused before its 100 may send the body or not; the connection ends, so it does not matter."""
    raw.send("POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    answer = raw.answer()
    assert (answer.status, answer.get("connection")) == (404, "close")
    raw.send(SMUGGLED)
    raw.finish_sending()
    assert raw.rest() == b""
    assert "/smuggled" not in stats()["requests"]


@pytest.mark.parametrize("length", ["05", "0000000005"])
def test_leading_zeros_of_a_length_do_not_reach_the_engine(raw: RawClient, length: str) -> None:
    raw.send(f"POST /headers HTTP/1.1\r\n{HOST}Content-Length: {length}\r\n\r\nhello")
    assert ["content-length", "5"] in json.loads(raw.answer().body)["headers"]


def test_superfluous_spaces_in_the_request_line_do_not_reach_the_engine(raw: RawClient) -> None:
    """RFC 9112 section 3 lets a server split at any whitespace; what is sent on is written anew."""
    seen = json.loads(raw.send(f"GET   /headers  HTTP/1.1\r\n{HOST}\r\n").answer().body)
    assert (seen["method"], seen["target"], seen["version"]) == ("GET", "/headers", "HTTP/1.1")


def test_an_empty_line_before_a_request_is_ignored(raw: RawClient) -> None:
    assert raw.send("\r\n\r\n").get().answer().status == 200
