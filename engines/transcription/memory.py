"""Takes little memory, and gives what is no longer used back to the system.

glibc hands out memory from several arenas, one for each of many threads, and keeps what is freed for later. Where there
is another allocator (musl, macOS), what is done about that here changes nothing.
"""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2
"""Heaps for all threads. glibc would make one for each, up to eight per core, and what a burst of requests leaves free
in one of them no other thread uses: sixteen short recordings at once left 350 MB behind, with two heaps 240. With the
small shipped model, unloaded after some requests, it is 117 instead of 122 MB. Requests are as fast as before; fixed
thresholds for mmap would save more, but cost a third of the speed.
"""


def settle() -> None:
    """Tell the allocator to be thrifty. Before threads begin to use much memory."""
    _to_libc("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Collect garbage, then make the allocator return what is free: takes tenths of a second, so not on the event loop.

    Without it, much of an unloaded model's memory would still count as ours.
    """
    gc.collect()
    _to_libc("malloc_trim", 0)


def _to_libc(function: str, *arguments: int) -> None:
    import ctypes  # noqa: PLC0415  10 ms of every start; numpy imports it anyway, but later

    try:
        getattr(ctypes.CDLL(None), function)(*arguments)
    except (AttributeError, OSError) as exc:
        log.debug("memory.no_glibc reason=%r", str(exc))


def resident() -> int:
    """Bytes of physical memory that this process occupies; 0 where the system has no /proc to tell."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
