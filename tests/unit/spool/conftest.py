"""Folders for spools: an ordinary one, and a disk that is small."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.spool.folder import SpoolFolder

SMALL_DISK = 1024 * 1024


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[SpoolFolder]:
    folder = SpoolFolder(tmp_path / "spool")
    folder.prepare()
    yield folder
    folder.close()


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that holds 1 MiB: a tmpfs, or where we may not mount one, a limit in the system call."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        yield path
        subprocess.run(["umount", "-l", str(path)], check=True)
        return
    write = os.pwritev

    def write_little(descriptor: int, parts: list[bytes], at: int) -> int:
        if at + sum(len(part) for part in parts) > SMALL_DISK:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, parts, at)

    monkeypatch.setattr(os, "pwritev", write_little)
    yield path


@pytest.fixture
async def small_folder(small_disk: Path) -> AsyncIterator[SpoolFolder]:
    folder = SpoolFolder(small_disk)
    folder.prepare()
    yield folder
    folder.close()
