"""Runs the gateway as a process: sockets, memory allocator, uvicorn, shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import cast

import structlog
import uvicorn

from gateway.app import App, create_app
from gateway.config import Config
from gateway.config.hosts import Listen
from gateway.keepalive import keep_asking
from gateway.reloading import Reloader
from gateway.server.connection import Connection
from gateway.server.limits import Limits
from gateway.server.sweeper import Sweeper

BACKLOG = 4096
LAST_WORDS = 1.0
"""Seconds for clients to take the last words of what was cancelled."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_log = structlog.get_logger()


def serve(config: Config, path: Path) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    path: where the configuration was read from. It is read again when it changes, and at SIGHUP.
    Raises OSError if an address cannot be listened on, or the folder for request bodies cannot be used.
    """
    signal.signal(signal.SIGHUP, lambda *_: None)  # until the loop runs; not SIG_IGN, which engines would inherit
    settings = config.gateway
    settle_allocator()
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        clients = stack.enter_context(listening(settings.listen))
        admins = stack.enter_context(listening(settings.admin))
        app = create_app(config)
        app.admin = admins.getsockname()[:2]
        app.reloader = Reloader(path, app)
        for what, sock in (("clients", clients), ("admin", admins)):
            host, port = sock.getsockname()[:2]
            _log.info("gateway.listening", on=str(Listen(host, port)), what=what)
        settle_collector()
        with contextlib.suppress(KeyboardInterrupt):
            server_for(app).run(sockets=[clients, admins])


class Server(uvicorn.Server):
    """uvicorn cancels what exceeds the drain time and is gone. This one lets it say why: 503 or a close frame, 1012."""

    def __init__(self, app: App, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        patience = self._app.config.gateway.drain_timeout  # as it is now: the configuration may have been reloaded
        self.config.timeout_graceful_shutdown = patience  # type: ignore[assignment]  # a float does
        await super().shutdown(sockets)
        if not self.force_exit:
            await self._hear_last_words()

    async def _hear_last_words(self) -> None:
        state, loop = self.server_state, asyncio.get_running_loop()
        deadline = loop.time() + LAST_WORDS
        while (state.tasks or state.connections) and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn's sets tell nobody
            await asyncio.sleep(0.01)
        for connection in list(state.connections):
            cast("Connection", connection).cut()
        while state.connections:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)


def server_for(app: App) -> Server:
    """The server: uvicorn with our own HTTP protocol; see `gateway.server`."""
    settings = app.config.gateway
    limits = Limits(head=settings.head_limit, head_timeout=settings.head_timeout)
    protocol = functools.partial(Connection, limits=limits, sweeper=Sweeper())
    return Server(
        app,
        uvicorn.Config(
            app,
            http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
            ws="none",
            loop="uvloop",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
        ),
    )


def listening(address: Listen) -> socket.socket:
    """A bound socket. Raises OSError with the address in its text."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(tuple(address))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error
    sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
    keep_asking(sock)
    return sock


def settle_allocator() -> None:
    """Tell glibc to keep buffers of body size instead of mapping and unmapping each one.

    Every part of a body is up to 256 KiB; above the default threshold of 128 KiB each becomes an mmap, a page fault per
    4 KiB and a munmap. Elsewhere: no effect.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 8 * 1024 * 1024)
        mallopt(_M_TOP_PAD, 1024 * 1024)


def settle_collector() -> None:
    """What is loaded now stays; most of what requests leave behind is freed without the collector: it comes seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)


def raise_file_limit() -> None:
    """Two sockets per request: take as many descriptors as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
