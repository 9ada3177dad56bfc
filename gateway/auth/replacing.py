"""Replaces a file in one step: whoever reads it finds the old content or the new one, also after a power cut.

Root may do this in a folder that belongs to somebody less trusted. So nothing that lies there already is written to or
given away: the new file must not exist before it is made, and a link in its place is an error, not followed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """The file is readable by its owner only; if root writes it, that is the folder's owner.

    Only one process at a time may do this for a path. Raises OSError; the old file is untouched then.
    """
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()  # what a killed process left behind
    try:
        with os.fdopen(create_private(fresh), "wb") as file:
            file.write(content)
            file.flush()
            _move_clock_on(file.fileno(), path)
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    _settle(path.parent)


def create_private(path: Path) -> int:
    """Makes a new file for its owner alone, and returns its descriptor. Raises OSError, if it exists, too."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _move_clock_on(descriptor: int, old: Path) -> None:
    """Gives the new file a later time than the old one's, though the clock be coarse or have been put back.

    Readers tell by the time that there is something new; inodes are used again, and sizes are often the same.
    """
    fresh = os.fstat(descriptor)
    with contextlib.suppress(FileNotFoundError):
        later = max(fresh.st_mtime_ns, old.stat().st_mtime_ns + 1)
        os.utime(descriptor, ns=(fresh.st_atime_ns, later))


def _settle(folder: Path) -> None:
    """Have the new name on the disk, too. Some file systems cannot; then it is there a little later."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
