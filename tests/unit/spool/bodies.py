"""What tests of spools share: bodies, and how to read one to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.spool.folder import SpoolFolder
from gateway.spool.quota import Quota
from gateway.spool.spool import Reader, Spool
from tests.fixtures.patience import PATIENCE

KIB, MIB = 1024, 1024 * 1024


def body(size: int) -> bytes:
    return os.urandom(size)


def pieces(data: bytes, size: int = 100_000) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def fill(spool: Spool, data: bytes, size: int = 100_000) -> None:
    """Writes all of it, and that it is all."""
    for piece in pieces(data, size):
        await spool.append(piece)
    await spool.append(b"", end=[])


async def read_all(reader: Reader) -> bytes:
    seen = []
    more = True
    while more:
        message = await reader.receive()
        assert message["type"] == "http.request"
        seen.append(message["body"])
        more = message["more_body"]
    return b"".join(seen)


async def read(reader: Reader, size: int) -> bytes:
    """At least so many bytes."""
    seen = b""
    while len(seen) < size:
        seen += (await reader.receive())["body"]
    return seen


async def settled() -> None:
    """Everything that needs nothing but turns of the event loop has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until_free(quota: Quota) -> None:
    """Files are closed in threads; nobody is told but the quota."""
    async with asyncio.timeout(PATIENCE):
        while quota.used:  # noqa: ASYNC110 - a quota tells only who asked it for bytes
            await asyncio.sleep(0.001)


@asynccontextmanager
async def spool_in(
    folder: SpoolFolder, quota: Quota | None = None, per_request: int = 1 << 30, *, keep: bool = True
) -> AsyncIterator[Spool]:
    """A spool; at the end it is closed, and everything has come back."""
    quota = quota or Quota(1 << 32)
    spool = Spool(folder, quota, per_request, keep=keep)
    try:
        yield spool
    finally:
        spool.close()
    await until_free(quota)
    assert spool.in_memory == 0


def open_files(folder: Path) -> int:
    """Files without a name in this folder that we hold."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += str(link.readlink()).startswith(f"{folder}/")
        except FileNotFoundError:
            continue
    return count
