"""A stand-in engine for tests: it starts slowly, streams, opens WebSockets and breaks on request. Only stdlib.

Run it as `python standin.py [NAME=VALUE ...]`; each setting may also come from the environment.

    PORT             8000     where it listens; 0 picks a free port
    HOST             0.0.0.0  the address it listens on
    START_DELAY_MS   0        time before it listens
    START_WHEN       -        a file: it listens when that is there
    READY_DELAY_MS   0        after that, /health answers 503 for so long
    EXIT_AFTER_MS    -        exits so long after its start, with EXIT_CODE (1), whether it listens or not
    IGNORE_SIGTERM   -        any value: only SIGKILL ends it
    LOG_LINES        0        writes `log line 1` .. `log line N` at its start, and then a line that is not UTF-8
    STARTS_FILE      -        a file that gets one line per start, so that /starts can count them
    SIGNAL_FILE      -        a file that also gets the two lines below

It writes `LISTENING <time.monotonic_ns()> <port>` at the moment the kernel accepts connections, and `READY ...`
likewise when /health turns to 200. CLOCK_MONOTONIC is the same inside and outside a container, so that both can be
compared with a client's clock.

What it answers is in ROUTES. Every request but those for /health and /stats is counted in /stats.
"""

from __future__ import annotations

# ruff: noqa: E402 - the first process of a container does not hear SIGTERM until it has asked for it
import os
import signal
import sys

SETTINGS = {**os.environ, **dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)}
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN if SETTINGS.get("IGNORE_SIGTERM") else lambda *_: os._exit(0))

import asyncio
import contextlib
import hashlib
import socket
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import mishaps
import websocket_echo
from wire import HEAD_LIMIT, BadFramingError, Exchange, close, head_of_answer, read_head

INSTANCE = {"id": uuid.uuid4().hex, "pid": os.getpid(), "started": time.time()}
HELLO = b"Hello from the stand-in engine.\n".ljust(200, b".")
FILLER = bytes(range(256)) * 256

Handler = Callable[[Exchange], Awaitable[None]]


class Tally:
    """What has happened since the start; shown at /stats."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.open_connections = 0
        self.active = 0
        self.client_left = 0
        self.ready = False


tally = Tally()
told: Counter[str] = Counter()
"""How many may go on that wait for a word."""


def setting(name: str, default: int = 0) -> int:
    return int(SETTINGS.get(name) or default)


# ordinary answers


async def health(exchange: Exchange) -> None:
    """GET /health: 503 while it is starting, then 200."""
    if tally.ready:
        await exchange.json({"status": "ready"})
    else:
        await exchange.json({"status": "loading"}, status=503)


async def hello(exchange: Exchange) -> None:
    """GET /hello: 200 bytes."""
    await exchange.answer(200, HELLO, [("Content-Type", "text/plain")])


async def echo(exchange: Exchange) -> None:
    """POST /echo: the body comes back as it arrives, framed as it was."""
    head = exchange.head
    length = None if head.chunked else int(head.get("content-length") or 0)
    await exchange.begin(200, [("Content-Type", head.get("content-type") or "application/octet-stream")], length)
    async for piece in exchange.body():
        await exchange.piece(piece)
    await exchange.end(exchange.trailers)


async def total(exchange: Exchange) -> None:
    """POST /sum?hash=1&ms=0: reads everything (and rests), then answers how much it was; hash=0 saves the time."""
    digest = hashlib.sha256() if exchange.head.query.get("hash") != "0" else None
    size = 0
    async for piece in exchange.body():
        size += len(piece)
        if digest:
            digest.update(piece)
    await exchange.rest(exchange.head.number("ms", 0) / 1000)
    await exchange.json(
        {"bytes": size, "sha256": digest.hexdigest() if digest else None, "trailers": exchange.trailers}
    )


async def events(exchange: Exchange) -> None:
    """GET /sse?n=10&interval_ms=100: events hold their number and time.monotonic_ns(). n=0: endless.

    word=W: instead of an interval, each but the first waits to be told; see /tell.
    """
    wanted, interval = exchange.head.number("n", 10), exchange.head.number("interval_ms", 100) / 1000
    word = exchange.head.query.get("word")
    await exchange.begin(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
    count = 0
    while not wanted or count < wanted:
        if count:
            await (until_told(exchange, word) if word else exchange.rest(interval))
        count += 1
        await exchange.piece(f"id: {count}\ndata: {count} {time.monotonic_ns()}\n\n".encode())
    await exchange.end()


async def slow(exchange: Exchange) -> None:
    """GET /slow?ms=1000: answers after a while, unless the client leaves."""
    await exchange.rest(exchange.head.number("ms", 1000) / 1000)
    await hello(exchange)


async def until_told(exchange: Exchange, word: str) -> None:
    """Raises ConnectionResetError as soon as the client has left."""
    while not told[word]:
        await exchange.rest(0.01)
    told[word] -= 1


async def when_told(exchange: Exchange) -> None:
    """Any method, /told?word=W: answers when /tell has said so, before or after; unless the client leaves."""
    await until_told(exchange, exchange.head.query["word"])
    await hello(exchange)


async def tell(exchange: Exchange) -> None:
    """GET /tell?word=W&times=1: lets so many go on that wait to be told this word."""
    told[exchange.head.query["word"]] += exchange.head.number("times", 1)
    await hello(exchange)


async def stream(exchange: Exchange) -> None:
    """GET /stream?bytes=: so many bytes, chunked."""
    await exchange.begin(200, [("Content-Type", "application/octet-stream")])
    await fill(exchange)
    await exchange.end()


async def big(exchange: Exchange) -> None:
    """GET /big?bytes=: so many bytes, with Content-Length."""
    size = exchange.head.number("bytes", 1024 * 1024)
    await exchange.begin(200, [("Content-Type", "application/octet-stream")], size)
    await fill(exchange)


async def fill(exchange: Exchange) -> None:
    left = exchange.head.number("bytes", 1024 * 1024)
    while left > 0:
        await exchange.piece(FILLER[:left])
        left -= len(FILLER)


async def show_head(exchange: Exchange) -> None:
    """Any method, /headers (and below): the request's head as it arrived."""
    head = exchange.head
    await exchange.json(
        {"method": head.method, "target": head.target, "version": head.version, "headers": head.headers}
    )


async def instance(exchange: Exchange) -> None:
    """GET /instance: who answers; differs for every start."""
    await exchange.json(INSTANCE)


async def starts(exchange: Exchange) -> None:
    """GET /starts: how often it was started, by STARTS_FILE."""
    await exchange.json({"starts": count_starts()})


async def stats(exchange: Exchange) -> None:
    """GET /stats: requests by path, connections, answers under way, and clients that left before their answer."""
    await exchange.json(vars(tally))


async def status(exchange: Exchange) -> None:
    """GET /status?code=: an answer with this status (204 and 304 without a body)."""
    code = exchange.head.number("code", 200)
    if code in (204, 304):
        await exchange.send(head_of_answer(code, []))
    else:
        await exchange.answer(code, f"status {code}\n".encode(), [("Content-Type", "text/plain")])


async def trailers(exchange: Exchange) -> None:
    """GET /trailers: chunked, with two trailers."""
    await exchange.begin(200, [("Content-Type", "text/plain"), ("Trailer", "X-Checksum, X-Took")])
    await exchange.piece(b"with trailers\n")
    await exchange.end([("X-Checksum", "abc"), ("X-Took", "1")])


async def early_hints(exchange: Exchange) -> None:
    """GET /early-hints: 103 first, then 200."""
    await exchange.send(head_of_answer(103, [("Link", "</style.css>; rel=preload")]))
    await hello(exchange)


async def cookies(exchange: Exchange) -> None:
    """GET /cookies: two Set-Cookie lines."""
    await exchange.answer(200, b"two cookies\n", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")])


async def until_close(exchange: Exchange) -> None:
    """GET /until-close: a body without any length, ended by closing the connection."""
    exchange.keep_alive = False
    await exchange.send(head_of_answer(200, [("Content-Type", "text/plain")]) + b"until I close\n")


ROUTES: dict[str, Handler] = {
    "/health": health,
    "/hello": hello,
    "/echo": echo,
    "/sum": total,
    "/sse": events,
    "/slow": slow,
    "/told": when_told,
    "/tell": tell,
    "/stream": stream,
    "/big": big,
    "/headers": show_head,
    "/instance": instance,
    "/starts": starts,
    "/stats": stats,
    "/status": status,
    "/trailers": trailers,
    "/early-hints": early_hints,
    "/cookies": cookies,
    "/until-close": until_close,
    "/ws": websocket_echo.echo,
    "/no-ws": websocket_echo.refuse,
    "/die": mishaps.die,
    "/reset": mishaps.reset,
    "/cut": mishaps.cut,
    "/garbage": mishaps.garbage,
    "/huge-head": mishaps.huge_head,
    "/both-lengths": mishaps.both_lengths,
    "/early": mishaps.early,
    "/stall": mishaps.stall,
}


# serving


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests one after another."""
    tally.connections += 1
    tally.open_connections += 1
    try:
        while await serve_one(reader, writer):
            pass
    except (BadFramingError, ValueError) as error:
        writer.write(head_of_answer(400, [("Connection", "close"), ("X-Problem", str(error))]))
    except (OSError, asyncio.IncompleteReadError):
        tally.client_left += 1
    finally:
        tally.open_connections -= 1
        await close(writer)


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request. False: the connection ends with it."""
    head = await read_head(reader)
    if head is None:
        return False
    exchange = Exchange(head, reader, writer)
    if head.path not in ("/health", "/stats"):
        tally.requests[head.path] += 1
    tally.active += 1
    try:
        if handler := ROUTES.get(head.path):
            await handler(exchange)
        elif head.path.startswith("/headers"):
            await show_head(exchange)
        else:
            await exchange.json({"error": "no such path"}, status=404)
        if exchange.keep_alive:
            async for _ in exchange.body():
                pass
    finally:
        tally.active -= 1
    return exchange.keep_alive


def report(word: str, port: int) -> None:
    """One line to stdout, and to SIGNAL_FILE if there is one."""
    line = f"{word} {time.monotonic_ns()} {port}\n"
    if SETTINGS.get("SIGNAL_FILE"):
        with Path(SETTINGS["SIGNAL_FILE"]).open("a") as file:
            file.write(line)
    sys.stdout.write(line)
    sys.stdout.flush()


def note_start() -> None:
    if SETTINGS.get("STARTS_FILE"):
        with Path(SETTINGS["STARTS_FILE"]).open("a") as file:
            file.write(f"{INSTANCE['id']}\n")


def count_starts() -> int:
    file = SETTINGS.get("STARTS_FILE")
    return len(Path(file).read_text().splitlines()) if file else 1


def write_log_lines() -> None:
    if not setting("LOG_LINES"):
        return
    for number in range(1, setting("LOG_LINES") + 1):
        sys.stdout.write(f"log line {number}\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(b"not UTF-8: \xff\xfe\n")
    sys.stdout.buffer.flush()


def listening_socket() -> socket.socket:
    host = SETTINGS.get("HOST") or "0.0.0.0"
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, setting("PORT", 8000)))
    listener.listen(1024)
    return listener


async def main() -> None:
    loop = asyncio.get_running_loop()
    if SETTINGS.get("EXIT_AFTER_MS"):
        loop.call_later(setting("EXIT_AFTER_MS") / 1000, os._exit, setting("EXIT_CODE", 1))
    write_log_lines()
    await asyncio.sleep(setting("START_DELAY_MS") / 1000)
    while SETTINGS.get("START_WHEN") and not os.path.exists(SETTINGS["START_WHEN"]):  # noqa: ASYNC110, ASYNC240, PTH110
        await asyncio.sleep(0.01)  # nobody tells it
    listener = listening_socket()
    port = listener.getsockname()[1]
    tally.ready = not setting("READY_DELAY_MS")
    report("LISTENING", port)
    server = await asyncio.start_server(converse, sock=listener, limit=HEAD_LIMIT, backlog=1024)
    await asyncio.sleep(setting("READY_DELAY_MS") / 1000)
    tally.ready = True
    report("READY", port)
    await server.serve_forever()


if __name__ == "__main__":
    note_start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
