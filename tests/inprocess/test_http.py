"""Requests and answers pass through unchanged, but for what HTTP says must change on the way."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.fixtures.raw_client import RawAnswer, RawClient


def seen(answer: RawAnswer | httpx.Response) -> list[tuple[str, str]]:
    """The headers as the engine got them, from /headers."""
    body = answer.body if isinstance(answer, RawAnswer) else answer.content
    return [(name, value) for name, value in json.loads(body)["headers"]]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
def test_every_method_reaches_the_engine(whisper: httpx.Client, method: str) -> None:
    assert whisper.request(method, "/headers").json()["method"] == method


def test_head_has_the_length_and_no_body(raw: RawClient) -> None:
    answer = raw.send("HEAD /hello HTTP/1.1\r\nHost: whisper.test\r\n\r\n").answer("HEAD")
    assert (answer.status, answer.get("content-length")) == (200, "200")
    assert raw.get().answer().body.startswith(b"Hello")  # and nothing of a body in between


def test_head_of_a_chunked_answer_has_no_body(raw: RawClient) -> None:
    answer = raw.send("HEAD /stream HTTP/1.1\r\nHost: whisper.test\r\n\r\n").answer("HEAD")
    assert answer.status == 200
    assert raw.get().answer().status == 200


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 304, 400, 404, 418, 429, 500, 503, 599])
def test_every_status_passes_and_the_next_request_is_served(raw: RawClient, status: int) -> None:
    assert raw.get(f"/status?code={status}").answer().status == status
    assert raw.get().answer().status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/headers/a%2Fb",
        "/headers/a%2fb",
        "/headers/%C3%A9?x=%26",
        "/headers//double///slashes",
        "/headers/./../dots",
        "/headers/%",
        "/headers/%zz",
        "/headers/a;b=c,d@e:f!$&'()*+",
        "/headers?",
        "/headers?a=1&a=2&b",
        "/headers?a=?/b&c=%00",
        "/headers?a=[1]{2}|3\\4^`",
    ],
)
def test_path_and_query_stay_as_they_came_byte_by_byte(raw: RawClient, target: str) -> None:
    assert json.loads(raw.get(target).answer().body)["target"] == target


def test_blanks_around_a_value_are_no_part_of_it(raw: RawClient) -> None:
    """RFC 9112 section 5.1."""
    raw.send(
        "POST /headers HTTP/1.1\r\nHost: \t whisper.test \t \r\nTransfer-Encoding:chunked \r\n"
        "Expect: 100-continue \r\nX-A: \ta b\t\r\nX-Empty:  \r\n\r\n"
    )
    assert raw.answer().status == 100
    headers = seen(raw.send("0\r\n\r\n").answer())
    assert ("x-a", "a b") in headers
    assert ("x-empty", "") in headers


def test_several_set_cookie_stay_apart(raw: RawClient) -> None:
    assert raw.get("/cookies").answer().all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]


def test_several_lines_of_one_header_reach_the_engine_in_order(raw: RawClient) -> None:
    answer = raw.get("/headers", "whisper.test", "X-List: 1", "X-Other: x", "X-List: 2").answer()
    assert [pair for pair in seen(answer) if pair[0] == "x-list"] == [("x-list", "1"), ("x-list", "2")]


def test_bytes_beyond_ascii_in_a_header_pass(raw: RawClient) -> None:
    assert ("x-name", "caf\xe9") in seen(raw.get("/headers", "whisper.test", "X-Name: caf\xe9").answer())


def test_headers_that_connection_names_end_at_the_gateway(raw: RawClient) -> None:
    answer = raw.get(
        "/headers",
        "whisper.test",
        "Connection: close, X-Hop, keep-alive",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "TE: gzip",
        "X-End: 2",
    ).answer()
    names = {name for name, _ in seen(answer)}
    assert "x-end" in names
    assert names.isdisjoint({"x-hop", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "te"})


def test_connection_cannot_take_away_what_frames_or_names_the_request(raw: RawClient) -> None:
    raw.send(
        "POST /sum HTTP/1.1\r\nHost: whisper.test\r\nConnection: content-length, host, authorization\r\n"
        "Content-Length: 5\r\n\r\nhello"
    )
    assert json.loads(raw.answer().body)["bytes"] == 5
    answer = raw.get("/headers", "whisper.test", "Connection: host").answer()
    assert ("host", "whisper.test") in seen(answer)


def test_a_clients_close_is_obeyed_and_not_sent_on(raw: RawClient) -> None:
    answer = raw.get("/headers", "whisper.test", "Connection: close").answer()
    assert answer.get("connection") == "close"
    assert raw.ended()
    assert "connection" not in dict(seen(answer))


def test_te_trailers_is_passed_on_as_the_gateways_own(raw: RawClient) -> None:
    headers = seen(raw.get("/headers", "whisper.test", "Connection: TE", "TE: trailers, gzip").answer())
    assert ("te", "trailers") in headers
    assert ("connection", "te") in headers


def test_early_hints_come_before_the_answer(raw: RawClient) -> None:
    hints, answer = raw.get("/early-hints").answer(), raw.answer()
    assert (hints.status, hints.get("link")) == (103, "</style.css>; rel=preload")
    assert answer.status == 200


def test_an_http_1_0_client_is_not_sent_early_hints(raw: RawClient) -> None:
    assert raw.send("GET /early-hints HTTP/1.0\r\nHost: whisper.test\r\n\r\n").answer().status == 200


def test_trailers_pass_to_the_client(raw: RawClient) -> None:
    answer = raw.get("/trailers", "whisper.test", "TE: trailers", "Connection: TE").answer()
    assert answer.body == b"with trailers\n"
    assert answer.trailers == [("x-checksum", "abc"), ("x-took", "1")]
    assert raw.get().answer().status == 200


def test_trailers_pass_to_the_engine(raw: RawClient) -> None:
    raw.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\n\r\n")
    raw.send("5\r\nhello\r\n0\r\nX-Check: abc\r\n\r\n")
    assert json.loads(raw.answer().body)["trailers"] == [["x-check", "abc"]]


@pytest.mark.parametrize(
    "line",
    [
        "Host: evil", "Authorization: Bearer x", "Connection: close",
        "X-Remote-User: admin", "X_Remote_User: admin", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4",
        "X-Request-ID: a", "Cookie: a=b", "Content-Type: text/html",
    ],
)  # fmt: skip
def test_a_trailer_cannot_say_what_only_a_head_may_say(raw: RawClient, line: str) -> None:
    """A framework may merge trailers into the headers (RFC 9110 section 6.5.1)."""
    raw.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: chunked\r\n\r\n")
    raw.send(f"5\r\nhello\r\n0\r\n{line}\r\nX-Check: abc\r\n\r\n")
    assert json.loads(raw.answer().body)["trailers"] == [["x-check", "abc"]]


def test_an_answer_that_ends_with_its_connection_is_framed_for_a_keep_alive_client(raw: RawClient) -> None:
    answer = raw.get("/until-close").answer()
    assert (answer.get("transfer-encoding"), answer.body) == ("chunked", b"until I close\n")
    assert raw.get().answer().status == 200


def test_an_answer_has_a_date_and_no_word_of_who_serves_it(raw: RawClient) -> None:
    answer = raw.get().answer()
    assert len(answer.all("date")) == 1
    assert answer.get("server") is None


def test_the_paths_of_the_control_api_belong_to_the_engine_on_its_host(whisper: httpx.Client) -> None:
    assert whisper.get("/healthz").status_code == 404
    assert whisper.get("/api/engines").json() == {"error": "no such path"}
