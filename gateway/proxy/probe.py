"""Asks an engine once whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import GatewayExhausted
from gateway.proxy.pool import ConnectFailed, Pool
from gateway.proxy.upstream import Broke
from gateway.runtimes.base import Address

PATIENCE = 1.0
"""Seconds for one answer. An engine that accepts and says nothing is asked again on a new connection."""


def probe_of(pool: Pool, path: str, host: str) -> Callable[[Address], Awaitable[bool]]:
    """A question to `path`: True for a status from 200 to 399. What connects well stays in the pool for requests."""
    head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: whisper-gateway\r\naccept: */*\r\n\r\n".encode()

    async def ask(address: Address) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                return await _ask(pool, address, head)
        except (TimeoutError, ConnectFailed, Broke, GatewayExhausted):
            return False

    return ask


async def _ask(pool: Pool, address: Address, head: bytes) -> bool:
    upstream = await pool.connect(address)
    try:
        upstream.begin("GET")
        upstream.write(head)
        while (answer := await upstream.answer()).status < 200:
            if answer.status == 101:
                return False
        more = True
        while more:
            _, more = await upstream.read()
        return answer.status < 400
    except BaseException:
        upstream.abort()
        raise
    finally:
        upstream.release(request_sent=True)
