"""A thousand uploads for one engine that sleeps: one start, every answer right, and little memory for each."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN

WAITERS, SIZE = 1000, 1_000_000
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


@pytest.mark.anyio
async def test_a_thousand_uploads_wait_for_one_start(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    command = [
        sys.executable,
        str(STANDIN),
        "PORT={port}",
        "HOST=127.0.0.1",
        "START_DELAY_MS=3000",
        f"STARTS_FILE={starts}",
    ]
    engine = {"hosts": ["whisper.test"], "process": {"command": command}, "port": free_ports(1)[0]}
    gateway = GatewayProcess(tmp_path, {"whisper": engine}, on_exit="stop")
    gateway.start()
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
