"""Files in the folder have no names, belong to us alone, and end with whoever has them."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from gateway.spool import folder as module
from gateway.spool.file import FileClosed
from gateway.spool.folder import PREFIX, SpoolFolder
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


def nothing() -> None:
    pass


async def test_the_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "a" / "spool")
    folder.prepare()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.prepare()
    folder.close()


async def test_what_a_crash_has_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}abc").write_text("left")
    (tmp_path / "other").write_text("kept")
    folder = SpoolFolder(tmp_path)
    folder.prepare()
    assert os.listdir(tmp_path) == ["other"]  # noqa: PTH208 - a path's own way is banned in async functions
    folder.close()


async def test_what_cannot_be_removed_may_stay(tmp_path: Path) -> None:
    """In a folder that is everybody's, such as /dev/shm, anybody could keep the gateway from starting."""
    (tmp_path / f"{PREFIX}abc").mkdir()
    (tmp_path / f"{PREFIX}def").write_text("left")
    folder = SpoolFolder(tmp_path)
    folder.prepare()
    assert os.listdir(tmp_path) == [f"{PREFIX}abc"]  # noqa: PTH208 - likewise
    folder.close()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = SpoolFolder(tmp_path / "file")
    with pytest.raises(OSError, match=r"request bodies cannot be kept in .*file: "):
        folder.prepare()
    folder.close()


@pytest.mark.parametrize("unsupported", [None, errno.EOPNOTSUPP, errno.EISDIR])
async def test_a_file_has_no_name_wherever_it_lies(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch, unsupported: int | None
) -> None:
    """Also in file systems that know no file without a name."""
    if unsupported is not None:
        real = os.open

        def refuse(path: Path, flags: int, *rest: int) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(unsupported, "")
            return real(path, flags, *rest)

        monkeypatch.setattr(os, "open", refuse)
    file = await folder.open(nothing)
    assert os.listdir(folder.path) == []  # noqa: PTH208 - likewise
    await file.write([b"hello ", b"world"], 0)
    assert await file.read(100, 6, PATIENCE) == b"world"
    file.close()


async def test_many_small_parts_are_written_in_order(folder: SpoolFolder) -> None:
    file = await folder.open(nothing)
    parts = [b"%d," % number for number in range(3000)]
    await file.write(parts, 5)
    assert await file.read(100_000, 5, PATIENCE) == b"".join(parts)
    file.close()


async def test_a_write_that_the_system_does_in_part_is_gone_on_with(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwritev", lambda fd, parts, at: os.pwrite(fd, bytes(parts[0])[:7], at))
    file = await folder.open(nothing)
    await file.write([b"0123456789", b"", b"abc", b"defghijkl"], 0)
    assert await file.read(100, 0, PATIENCE) == b"0123456789abcdefghijkl"
    file.close()


async def test_closing_waits_for_no_thread_and_the_last_one_closes(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that is closed while a thread uses it could be another file's by then."""
    begun, go_on = threading.Event(), threading.Event()
    write = os.pwritev

    def slowly(descriptor: int, parts: list[bytes], at: int) -> int:
        begun.set()
        go_on.wait(PATIENCE)
        return write(descriptor, parts, at)

    closed = asyncio.Event()
    file = await folder.open(closed.set)
    monkeypatch.setattr(os, "pwritev", slowly)
    writing = asyncio.get_running_loop().create_task(file.write([b"x"], 0))
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    await asyncio.wait({writing})
    file.close()
    file.close()
    os.fstat(file._descriptor)  # it is still there
    assert not closed.is_set()
    go_on.set()
    await asyncio.wait_for(closed.wait(), PATIENCE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file._descriptor)
    with pytest.raises(FileClosed):
        await file.read(1, 0, PATIENCE)


async def test_a_file_whose_opener_has_gone_is_closed(folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = module._unnamed
    opened: list[int] = []

    def slowly(path: Path) -> int:
        begun.set()
        go_on.wait(PATIENCE)
        opened.append(real(path))
        return opened[0]

    monkeypatch.setattr(module, "_unnamed", slowly)
    opening = asyncio.get_running_loop().create_task(folder.open(nothing))
    await asyncio.to_thread(begun.wait, 10)
    opening.cancel()
    await asyncio.wait({opening})
    go_on.set()
    folder.disk._threads.shutdown(wait=True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


async def test_a_file_can_be_closed_when_the_threads_have_gone(folder: SpoolFolder) -> None:
    closed = asyncio.Event()
    file = await folder.open(closed.set)
    folder.close()
    file.close()
    await asyncio.wait_for(closed.wait(), PATIENCE)
