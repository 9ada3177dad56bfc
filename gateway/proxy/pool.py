"""Connections to engines: new ones, and those kept from earlier requests."""

from __future__ import annotations

import asyncio
import errno
from collections import deque

from gateway.errors import GatewayExhausted
from gateway.keepalive import keep_asking
from gateway.proxy.upstream import Upstream
from gateway.runtimes.base import Address

CONNECT_TIMEOUT = 5.0
MOST_SPARE = 16
"""Idle connections beyond which those of uploads, which never use a kept one, are not kept."""
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Failures to connect that say nothing about the engine."""


class ConnectFailed(Exception):
    """The engine does not accept connections at this address; nothing was sent."""


class Pool:
    """Idle connections, by address; the one used last is used first, so that surplus ones age and are closed.

    head_limit: bytes an answer's head may have.
    """

    def __init__(self, *, head_limit: int = 32 * 1024, most_idle: int = 512, idle_timeout: float = 60.0) -> None:
        self.head_limit = head_limit
        self._most_idle = most_idle
        self._idle_timeout = idle_timeout
        self._idle: dict[Address, deque[Upstream]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def idle(self, address: Address) -> Upstream | None:
        """A connection to the engine that was used before, if there is one."""
        idle = self._idle.get(address)
        while idle:
            upstream = idle.pop()
            if upstream.usable:
                return upstream
        return None

    async def connect(self, address: Address) -> Upstream:
        """A new connection to the engine. Raises ConnectFailed, and GatewayExhausted if the want is on our side."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                transport, made = await loop.create_connection(lambda: Upstream(self, address), *address)
        except TimeoutError:
            raise ConnectFailed(f"no answer from {address} within {CONNECT_TIMEOUT:g} s") from None
        except OSError as error:
            if error.errno in OURS:
                raise GatewayExhausted(f"The gateway: {error.strerror}.", retry_after=1) from error
            raise ConnectFailed(f"{address}: {error.strerror or error}") from error
        keep_asking(transport.get_extra_info("socket"))
        return made

    def keep(self, upstream: Upstream, *, spare: bool = False) -> None:
        """Until somebody asks for it. A spare one is closed where there are some already."""
        idle = self._idle.get(upstream.address)
        if idle is None:
            idle = self._idle[upstream.address] = deque()
        if spare and len(idle) >= MOST_SPARE:
            upstream.close()
            return
        upstream.idle_since = upstream.loop.time()
        idle.append(upstream)
        if len(idle) > self._most_idle:
            idle.popleft().close()
        if self._timer is None:
            self._timer = upstream.loop.call_later(self._idle_timeout / 2, self._sweep)

    def forget(self, upstream: Upstream) -> None:
        idle = self._idle.get(upstream.address)
        if idle is not None and upstream in idle:
            idle.remove(upstream)
            if not idle:
                del self._idle[upstream.address]

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() - self._idle_timeout
        for upstream in [u for idle in self._idle.values() for u in idle if u.idle_since < due]:
            self.forget(upstream)
            upstream.close()
        self._idle = {address: idle for address, idle in self._idle.items() if idle}  # containers change theirs
        self._timer = loop.call_later(self._idle_timeout / 2, self._sweep) if self._idle else None

    def close(self) -> None:
        """Close every idle connection."""
        if self._timer is not None:
            self._timer.cancel()
        for idle in self._idle.values():
            for upstream in idle:
                upstream.close()
        self._idle.clear()
