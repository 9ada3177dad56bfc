"""What an application says becomes HTTP/1.1; what it does wrong becomes a 500 or a cut, never silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.server.wire import GET, Message, Wire, answering, body, start

pytestmark = pytest.mark.anyio

OLD = GET.replace(b"1.1", b"1.0")
HEAD = GET.replace(b"GET", b"HEAD")
LENGTH = (b"content-length", b"2")


def parts(said: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status line, header lines but for the date, body."""
    head, _, rest = said.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, [line for line in lines if not line.startswith(b"date: ")], rest


# framing


async def test_a_body_with_a_length_goes_out_as_it_is() -> None:
    wire = Wire(answering(start(200, LENGTH), body(b"o", more=True), body(b"k")))
    assert parts(await wire.hear(GET)) == (b"HTTP/1.1 200 OK", [b"content-length: 2"], b"ok")
    assert wire.ended() is None


async def test_a_body_without_one_is_chunked() -> None:
    wire = Wire(answering(start(), body(b"o", more=True), body(b"", more=True), body(b"k")))
    _, lines, rest = parts(await wire.hear(GET))
    assert (lines, rest) == ([b"transfer-encoding: chunked"], b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n")


async def test_for_1_0_it_ends_with_the_connection() -> None:
    wire = Wire(answering(start(), body(b"o", more=True), body(b"k")))
    assert parts(await wire.hear(OLD)) == (b"HTTP/1.1 200 OK", [b"connection: close"], b"ok")
    assert wire.ended() == "closed"


@pytest.mark.parametrize(("request_", "status"), [(HEAD, 200), (GET, 204), (GET, 304)])
async def test_some_answers_have_no_body(request_: bytes, status: int) -> None:
    wire = Wire(answering(start(status), body(b"ignored", more=True), body(b"too")))
    assert parts(await wire.hear(request_))[1:] == ([], b"")
    assert wire.ended() is None


async def test_head_and_first_bytes_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(answering(start(200, LENGTH), body(b"ok")))
    written: list[bytes] = []
    monkeypatch.setattr(wire.transport, "write", written.append)
    await wire.hear(GET)
    assert len(written) == 1


async def test_the_head_does_not_wait_for_the_first_bytes() -> None:
    async def hold(_scope: Message, receive: Any, send: Any) -> None:
        await send(start())
        await asyncio.Event().wait()

    wire = Wire(hold)
    assert (await wire.hear(GET)).startswith(b"HTTP/1.1 200 OK")
    wire.leave()
    await wire.settle()


async def test_trailers_follow_a_chunked_body_only() -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"x-check", b"1")], "more_trailers": False}
    messages = (start(200, (b"trailer", b"x-check"), trailers=True), body(b"ok"), trailers)
    assert parts(await Wire(answering(*messages)).hear(GET))[2] == b"2\r\nok\r\n0\r\nx-check: 1\r\n\r\n"
    assert parts(await Wire(answering(*messages)).hear(OLD))[2] == b"ok"
    assert parts(await Wire(answering(*messages)).hear(HEAD))[2] == b""


async def test_an_unknown_status_has_no_reason() -> None:
    assert (await Wire(answering(start(599, LENGTH), body(b"ok"))).hear(GET)).startswith(b"HTTP/1.1 599 \r\n")


async def test_an_applications_date_is_the_only_one() -> None:
    said = await Wire(answering(start(200, (b"date", b"then"), LENGTH), body(b"ok"))).hear(GET)
    assert said.count(b"date: ") == 1
    assert b"date: then" in said


async def test_informational_answers_go_out_at_once_and_not_to_1_0() -> None:
    hints = {"type": "gateway.informational", "status": 103, "headers": [(b"link", b"x")]}
    messages = (hints, start(200, LENGTH), hints, body(b"ok"))
    said = await Wire(answering(*messages)).hear(GET)
    assert said.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert said.count(b"103") == 1
    assert (await Wire(answering(*messages)).hear(OLD)).startswith(b"HTTP/1.1 200 OK")


async def test_an_application_can_end_the_connection() -> None:
    wire = Wire(answering(start(200, LENGTH, (b"connection", b"close")), body(b"ok")))
    assert parts(await wire.hear(GET))[1] == [b"content-length: 2", b"connection: close"]
    assert wire.ended() == "closed"


# mistakes of the application


async def broken(_scope: Message, _receive: Any, _send: Any) -> None:
    raise ValueError("SECRET")


async def half(_scope: Message, _receive: Any, send: Any) -> None:
    await send(start())
    await send(body(b"half", more=True))
    raise ValueError("SECRET")


async def silent(_scope: Message, _receive: Any, _send: Any) -> None:
    return


@pytest.mark.parametrize("app", [broken, silent])
async def test_a_failure_before_the_answer_is_500_without_a_detail(app: Any) -> None:
    wire = Wire(app)
    with capture_logs() as log:
        said = await wire.hear(GET)
    assert said.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"internal_error" in said
    assert b"SECRET" not in said
    assert wire.ended() == "closed"
    assert [entry["event"] for entry in log] == (["gateway.request_broke"] if app is broken else [])


@pytest.mark.parametrize(
    "app",
    [half, answering(start(), body(b"half", more=True)), answering(start(200, LENGTH), body(b"o"))],
    ids=["raises", "stops", "too short"],
)
async def test_a_failure_within_the_answer_cuts_it(app: Any) -> None:
    wire = Wire(app)
    with capture_logs():
        said = await wire.hear(GET)
    assert not said.endswith(b"0\r\n\r\n")
    assert wire.ended() == "aborted"


async def test_a_body_longer_than_its_length_is_cut() -> None:
    wire = Wire(answering(start(200, LENGTH), body(b"okay")))
    with capture_logs():
        assert not (await wire.hear(GET)).endswith(b"okay")
    assert wire.ended() == "aborted"


@pytest.mark.parametrize("header", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x\n", b"a")])
async def test_a_header_with_a_line_break_never_goes_out(header: tuple[bytes, bytes]) -> None:
    with capture_logs() as log:
        said = await Wire(answering(start(200, header, LENGTH), body(b"ok"))).hear(GET)
    assert b"b: c" not in said
    assert log[0]["event"] == "gateway.request_broke"


@pytest.mark.parametrize(
    "messages",
    [
        (body(b"ok"),),
        (start(200, LENGTH), start(200, LENGTH)),
        ({"type": "websocket.accept"},),
        (start(101),),
        (start(200, LENGTH), body(b"ok"), body(b"more")),
    ],
    ids=["no start", "two starts", "another protocol", "an upgrade nobody asked for", "a body after the end"],
)
async def test_messages_that_do_not_fit_are_mistakes(messages: tuple[Message, ...]) -> None:
    with capture_logs() as log:
        await Wire(answering(*messages)).hear(GET)
    assert [entry["event"] for entry in log] == ["gateway.request_broke"]


# the request


async def test_the_scope_says_what_came() -> None:
    seen: list[Message] = []

    async def look(scope: Message, _receive: Any, send: Any) -> None:
        seen.append(scope)
        await send(start(204))
        await send(body())

    await Wire(look).hear(b"GET /a%2Fb%C3%A9?c=%20 HTTP/1.1\r\nHost: A.test\r\nX-Y:  z \r\n\r\n")
    (scope,) = seen
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "GET", "1.1", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a/bé", b"/a%2Fb%C3%A9", b"c=%20")
    assert scope["gateway.target"] == b"/a%2Fb%C3%A9?c=%20"
    assert scope["headers"] == [(b"host", b"A.test"), (b"x-y", b"z")]
    assert (scope["client"], scope["server"]) == (("203.0.113.7", 1234), ("127.0.0.1", 8890))


async def read_all(_scope: Message, receive: Any, send: Any) -> None:
    """Answers with the body and its trailers."""
    seen, more, message = b"", True, {}
    while more:
        message = await receive()
        seen += message["body"]
        more = message["more_body"]
    await send(start())
    await send(body(seen + repr(message["trailers"]).encode()))


async def test_a_body_arrives_with_its_trailers() -> None:
    wire = Wire(read_all)
    await wire.hear(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    said = await wire.hear(b"1\r\nc\r\n0\r\nX-Check: 1\r\n\r\n")
    assert b"abc[(b'x-check', b'1')]" in said


async def test_after_its_end_receive_waits_for_the_client_to_leave() -> None:
    heard: list[str] = []

    async def wait(_scope: Message, receive: Any, _send: Any) -> None:
        heard.append((await receive())["type"])
        try:
            await receive()
        except asyncio.CancelledError as left:
            heard.append(str(left))
            raise

    wire = Wire(wait)
    await wire.hear(GET)
    assert heard == ["http.request"]
    wire.leave()
    await wire.settle()
    assert heard == ["http.request", "client gone"]
    assert wire.state.connections == set()
    assert wire.state.tasks == set()


async def test_after_its_own_answer_receive_says_disconnect() -> None:
    heard: list[str] = []

    async def linger(_scope: Message, receive: Any, send: Any) -> None:
        await send(start(204))
        await send(body())
        heard.append((await receive())["type"])

    wire = Wire(linger)
    await wire.hear(GET)
    assert heard == ["http.disconnect"]


# a client that does not read


async def test_send_waits_while_the_client_is_slow() -> None:
    sent: list[int] = []

    async def stream(_scope: Message, _receive: Any, send: Any) -> None:
        await send(start())
        for number in range(3):
            await send(body(b"x", more=True))
            sent.append(number)

    wire = Wire(stream)
    wire.connection.pause_writing()
    await wire.hear(GET)
    assert sent == []
    wire.connection.resume_writing()
    with capture_logs():
        await wire.settle()
    assert sent == [0, 1, 2]


async def test_a_client_that_leaves_while_it_does_not_read_leaves_nothing_behind() -> None:
    wire = Wire(answering(start(), body(b"x")))
    wire.connection.pause_writing()
    await wire.hear(GET)
    wire.leave()
    await wire.settle()
    assert (wire.state.connections, wire.state.tasks) == (set(), set())


async def test_a_cancelled_wait_for_a_slow_client_breaks_nothing() -> None:
    """As when the server's patience ends: the transport's callback must find its future as it left it."""
    wire = Wire(answering(start(), body(b"x")))
    wire.connection.pause_writing()
    await wire.hear(GET)
    for task in wire.state.tasks:
        task.cancel()
    await wire.settle()
    wire.connection.resume_writing()
    wire.leave()
    await wire.settle()
    assert (wire.state.connections, wire.state.tasks) == (set(), set())
