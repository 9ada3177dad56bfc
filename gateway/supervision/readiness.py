"""Asks the engine's ready path until it answers.

Only an HTTP answer counts. A TCP connect proves nothing, because Docker's port proxy accepts before the engine listens;
and a container's HEALTHCHECK is seconds late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.runtimes.base import Address

Probe = Callable[[Address], Awaitable[bool]]
"""Asks once: True if the engine answered that it is ready. Never raises for an engine that does not answer."""

EAGER_INTERVAL = 0.010
EAGER_PERIOD = 3.0  # most engines listen within this time; each wake gains half an interval
SLOWEST_INTERVAL = 0.100
SLOWING = 1.1


async def until_ready(ask: Callable[[], Awaitable[bool]]) -> None:
    """Return when `ask` says yes. One question at a time: every 10 ms at first, then slower, at most every 100 ms.

    The interval counts from question to question, so that a slow refusal does not add to it. Never gives up; the
    caller's alarm does.
    """
    loop = asyncio.get_running_loop()
    eager_until = loop.time() + EAGER_PERIOD
    interval = EAGER_INTERVAL
    while True:
        asked = loop.time()
        if await ask():
            return
        now = loop.time()
        if now > eager_until:
            interval = min(interval * SLOWING, SLOWEST_INTERVAL)
        await asyncio.sleep(max(0.0, asked + interval - now))
