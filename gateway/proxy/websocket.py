"""A WebSocket between client and engine: accepted only after the engine did, then bytes both ways.

Frames pass untouched, so extensions, close codes, pings and message sizes are settled between the two ends. The first
side to end closes both. If the engine ends without a close frame, or the gateway has to stop, the client gets one that
says so (1011, 1012), because a bare end of connection looks like a network fault and tells nothing.

An engine that ends the connection though neither side has sent a close frame has failed the request, as one that breaks
off within an answer has. A client may go as it likes: that is no trouble of the engine's.
"""

from __future__ import annotations

import asyncio

from gateway.proxy.frames import INTERNAL_ERROR, SERVICE_RESTART, FrameTracker, close_frame
from gateway.proxy.headers import upgrade_headers
from gateway.proxy.http import AnswerCut, Call, relay
from gateway.proxy.pool import Pool
from gateway.proxy.upstream import Broke, Upstream
from gateway.runtimes.base import Address


async def tunnel(call: Call, pool: Pool, address: Address, answer_timeout: float) -> int:
    """Ask the engine to switch; carry frames if it does, its refusal if it does not. Returns its status.

    Raises ConnectFailed and Broke before anything was answered, and AnswerCut after that.
    """
    upstream = await pool.connect(address)
    try:
        upstream.begin("GET")
        upstream.write(call.head)
        upstream.expect_answer(answer_timeout)
        answer = await upstream.answer()
        while answer.status < 200 and answer.status != 101:
            answer = await upstream.answer()
        if answer.status != 101:
            return await relay(call, upstream, answer)
        headers = upgrade_headers(answer.headers, call.identity)
        if call.begun is not None:
            call.begun()
        await call.send({"type": "http.response.start", "status": 101, "headers": headers})
        await _carry(call, upstream)
        return 101
    finally:
        upstream.close()


async def _carry(call: Call, upstream: Upstream) -> None:
    """Raises AnswerCut if the engine ends it before either side has begun to close."""
    engine, client = FrameTracker(), FrameTracker()
    loop = asyncio.get_running_loop()
    to_engine = loop.create_task(_to_engine(call, upstream, client))
    to_client = loop.create_task(_to_client(call, upstream, engine))
    pumps = {to_engine, to_client}
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        cut = not (to_engine.done() or client.closing or engine.closing)
        code, reason = INTERNAL_ERROR, "the engine ended without saying why"
    except asyncio.CancelledError:
        code, reason = SERVICE_RESTART, "the gateway is shutting down"
        raise
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.wait(pumps)
        await _end(call, engine, code, reason)
    if cut:
        raise AnswerCut("ended the WebSocket without a close frame", 101)


async def _end(call: Call, frames: FrameTracker, code: int, reason: str) -> None:
    """To a client that has gone this is sent into the void, which is fine."""
    if frames.closing:
        last = b""
    elif frames.at_boundary:
        last = close_frame(code, reason)
    else:
        await call.send({"type": "gateway.abort"})
        return
    await call.send({"type": "http.response.body", "body": last, "more_body": False})


async def _to_engine(call: Call, upstream: Upstream, frames: FrameTracker) -> None:
    while True:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            return
        upstream.write(message["body"])
        frames.feed(message["body"])
        if upstream.write_blocked is not None:
            await upstream.writable()


async def _to_client(call: Call, upstream: Upstream, frames: FrameTracker) -> None:
    try:
        more = True
        while more:
            data, more = await upstream.read()
            await call.send({"type": "http.response.body", "body": data, "more_body": True})
            frames.feed(data)  # now it is on its way; a send that is given up has sent nothing
    except Broke:
        return
