"""One request to an engine, its answer back. Streams both ways; the answer may begin while the upload still runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.callers import Headers
from gateway.proxy.cors import replaced
from gateway.proxy.headers import answer_headers, answer_trailers, has_body, request_trailers
from gateway.proxy.pool import Pool
from gateway.proxy.upstream import Answer, Broke, Upstream
from gateway.runtimes.base import Address
from gateway.stream import shares

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of an engine: the ASGI request, and its head as the engine shall see it.

    grant: what the answer says to the web page that it goes to, in place of the engine's word; None leaves that.
    begun: called when the answer has begun, after which the request will not be sent again.
    """

    scope: Message
    receive: Receive
    send: Send
    head: bytes
    identity: bytes
    grant: Headers | None = None
    begun: Callable[[], None] | None = None

    def headers_of(self, answer: Answer) -> Headers:
        """The engine's headers as they go to the client."""
        headers = answer_headers(answer.headers, self.identity)
        return headers if self.grant is None else replaced(headers, self.grant)


class AnswerCut(Exception):
    """The engine broke off in the middle of its answer; the client has been shown that: by a cut connection, mostly."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


async def forward(call: Call, pool: Pool, address: Address, answer_timeout: float) -> int:
    """Send the request, stream the answer back, return its status.

    Always on a fresh connection. Raises ConnectFailed if nothing was sent; Broke if the engine failed before its answer
    began; AnswerCut if it failed after that.
    """
    return await send_on(call, await pool.connect(address), answer_timeout)


async def send_on(call: Call, upstream: Upstream, answer_timeout: float) -> int:
    """The same on this connection, which is given back. Raises Broke and AnswerCut."""
    upstream.begin(call.scope["method"])
    upstream.write(call.head)
    if has_body(call.scope["headers"]):
        return await _finish_with_body(call, upstream, answer_timeout)
    upstream.expect_answer(answer_timeout)
    return await finish(call, upstream)


async def finish(call: Call, upstream: Upstream) -> int:
    """The request is out: stream the answer back, and give the connection back; returns the answer's status.

    Raises Broke if the engine failed before its answer began; AnswerCut if it failed after that.
    """
    try:
        return await relay(call, upstream, await _head(call, upstream))
    except BaseException:
        upstream.abort()
        raise
    finally:
        upstream.release(request_sent=True)


async def _finish_with_body(call: Call, upstream: Upstream, answer_timeout: float) -> int:
    """Upload and answer run side by side. The clock for the answer starts when the engine has the whole request.

    Raises what `finish` raises, and what getting the body from `receive` may raise.
    """
    upload = asyncio.get_running_loop().create_task(_upload(call, upstream, answer_timeout))
    try:
        return await relay(call, upstream, await _head(call, upstream))
    except Broke:
        if upload.done() and not upload.cancelled():
            upload.result()  # the engine was hung up on, because its request cannot be had
        raise
    except BaseException:
        upstream.abort()
        raise
    finally:
        upload.cancel()
        await asyncio.wait({upload})
        upstream.release(request_sent=not upload.cancelled() and upload.exception() is None, spare=True)


async def relay(call: Call, upstream: Upstream, answer: Answer) -> int:
    """Stream an answer whose head is here to the client; returns its status. Raises AnswerCut."""
    send = call.send
    if call.begun is not None:
        call.begun()
    wants_trailers = any([name == b"trailer" for name, _ in answer.headers])
    taken = upstream.take()
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": call.headers_of(answer),
            "trailers": wants_trailers,
            "gateway.body_follows": taken is not None,
        }
    )
    try:
        more = True
        while more:
            data, more = taken or upstream.take() or await upstream.read()
            taken = None
            await send({"type": "http.response.body", "body": data, "more_body": more})
    except Broke as broke:
        await call.send({"type": "gateway.abort"})
        raise AnswerCut(broke.reason, answer.status) from broke
    if wants_trailers:
        trailers = answer_trailers(upstream.trailers)
        await call.send({"type": "http.response.trailers", "headers": trailers, "more_trailers": False})
    return answer.status


async def _head(call: Call, upstream: Upstream) -> Answer:
    """The final head. Informational answers before it go on to the client at once."""
    while True:
        answer = await upstream.answer()
        if answer.status >= 200:
            return answer
        if answer.status == 101:
            raise Broke("switched to another protocol, unasked,", heard=True)
        if "gateway.informational" in call.scope["extensions"]:
            headers = answer_headers(answer.headers, call.identity, informational=True)
            await call.send({"type": "gateway.informational", "status": answer.status, "headers": headers})


async def _upload(call: Call, upstream: Upstream, answer_timeout: float) -> None:
    try:
        await _send_body(call, upstream, answer_timeout)
    except Exception:  # the answering side raises it
        upstream.abort()
        raise


async def _send_body(call: Call, upstream: Upstream, answer_timeout: float) -> None:
    chunked = any(name == b"transfer-encoding" for name, _ in call.scope["headers"])
    more = True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            upstream.abort()
            return
        data, more = message.get("body", b""), message.get("more_body", False)
        if chunked and data:
            upstream.writelines([b"%x\r\n" % len(data), data, b"\r\n"])
        elif data:
            upstream.write(data)
        upstream.hold_back_at(shares.each)
        if upstream.write_blocked is not None:
            await upstream.writable_within(answer_timeout)
        if not upstream.usable:
            return  # the answering side knows why
    if chunked:
        upstream.write(b"0\r\n" + request_trailers(message.get("trailers", [])) + b"\r\n")
    upstream.expect_answer(answer_timeout)
