"""Code that runs with a network and mounts of its own, and leaves this machine's as they are. Needs root.

Linux gives both to a thread, and whatever the thread starts inherits them: processes, and threads too. They end with
the last of these.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NEW_MOUNTS, NEW_NETWORK = 0x0002_0000, 0x4000_0000
"""CLONE_NEWNS, CLONE_NEWNET"""

T = TypeVar("T")


def apart(work: Callable[[], T], *, network: bool = False) -> T:
    """Do the work in a thread whose mounts nobody else sees. network: give it a loopback interface alone."""
    with concurrent.futures.ThreadPoolExecutor(1, "apart", _leave, (network,)) as pool:
        return pool.submit(work).result()


def _leave(network: bool) -> None:  # noqa: FBT001 - given by position
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS | (NEW_NETWORK if network else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    if network:
        assert has_own_network()
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def has_own_network() -> bool:
    """Whether this thread's network is another than the program's."""
    return Path("/proc/thread-self/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def mount_tmpfs(folder: str, *options: str) -> None:
    """A file system in memory. options: of mount, such as size=8m."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder], check=True)
