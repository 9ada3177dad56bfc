"""A thousand uploads for one engine that sleeps: one start, every answer right, and little memory for each."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN

WAITERS, SIZE = 1000, 1_000_000
UPLOAD = b"POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 250000\r\n\r\n"
MOST_GROWTH = 128 * 1024 * 1024


def resident(gateway: GatewayProcess, field: str = "VmRSS") -> int:
    assert gateway.process is not None
    lines = Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


async def upload(port: int, body: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 100_000):
        writer.write(body[at : at + 100_000])
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    answer = json.loads(await reader.readexactly(int(length.partition(b":")[2])))
    writer.close()
    seen: str = answer["sha256"]
    return seen


def gateway_with(folder: Path, *settings: str) -> GatewayProcess:
    """A gateway with one engine that sleeps."""
    command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", *settings]
    engine = {"hosts": ["whisper.test"], "process": {"command": command}, "port": free_ports(1)[0]}
    gateway = GatewayProcess(folder, {"whisper": engine}, on_exit="stop")
    gateway.start()
    return gateway


@pytest.mark.anyio
async def test_a_thousand_uploads_wait_for_one_start(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    gateway = gateway_with(tmp_path, "START_DELAY_MS=3000", f"STARTS_FILE={starts}")
    try:
        before = resident(gateway)
        body = os.urandom(SIZE)
        async with asyncio.TaskGroup() as tasks:
            uploads = [tasks.create_task(upload(gateway.port, body)) for _ in range(WAITERS)]
        assert {one.result() for one in uploads} == {hashlib.sha256(body).hexdigest()}
        assert len(starts.read_text().splitlines()) == 1
        assert resident(gateway, "VmHWM") - before < MOST_GROWTH
        gateway.until("whisper", serving=0)
        gateway.stop()
    finally:
        gateway.close()


def test_a_thousand_bodies_are_there_before_the_gateway_looks(tmp_path: Path) -> None:
    """Then it reads from all of them in one turn of its loop, which is before the first of them is looked after."""
    gateway = gateway_with(tmp_path, "START_DELAY_MS=600000")
    try:
        assert gateway.process is not None
        with ExitStack() as stack:
            clients = [stack.enter_context(accepted(gateway.port)) for _ in range(WAITERS)]
            before = resident(gateway)
            gateway.process.send_signal(signal.SIGSTOP)
            for client in clients:
                client.send(UPLOAD + bytes(250_000))
            gateway.process.send_signal(signal.SIGCONT)
            gateway.until("whisper", waiting=WAITERS)
            growth = resident(gateway, "VmHWM") - before
        gateway.stop()  # and the engine with it
        assert growth < MOST_GROWTH
    finally:
        gateway.close()


def accepted(port: int) -> socket.socket:
    """A connection of which the gateway knows: it has answered something. To send never waits."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.sendall(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 404 ")
    client.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return client
