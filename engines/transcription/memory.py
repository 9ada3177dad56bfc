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

_M_ARENA_MAX, _M_MMAP_MAX, _M_TRIM_THRESHOLD = -8, -4, -1  # malloc.h
_NEVER = 2**31 - 1

_WANTING = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc", "not enough memory")


def settle() -> None:
    """Tell the allocator what suits a server that computes. Before threads begin to use much memory.

    One heap for all threads: glibc would make one for each, up to eight per core, and what a burst of requests leaves
    free in one of them no other thread uses. And keep what is freed until `give_back`: a model frees and takes buffers
    of megabytes many hundred times per second of work, and a quarter of the processor time would go into having the
    system map and clear them anew (bench/RESULTS.md has figures).
    """
    _to_libc("mallopt", _M_ARENA_MAX, 1)
    _to_libc("mallopt", _M_MMAP_MAX, 0)
    _to_libc("mallopt", _M_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Collect garbage, then make the allocator return what is free: takes tenths of a second, so not on the event loop.

    Without it, much of an unloaded model's memory would still count as ours.
    """
    gc.collect()
    _to_libc("malloc_trim", 0)


def is_wanting(problem: BaseException) -> bool:
    """Whether a computation failed for want of memory, the device's or ours.

    No library that computes has an exception of its own for all of it. C++'s `bad_alloc` comes as MemoryError.
    """
    text = str(problem).lower()
    return isinstance(problem, MemoryError) or (
        isinstance(problem, RuntimeError) and any(words in text for words in _WANTING)
    )


class Lid:
    """On the growth of the process during long work, in bytes.

    glibc finds no use for much of what was freed where it is asked for aligned memory (its bug 14581, until 2.38), as
    torch does; ten minutes of such work have taken gigabytes that way. Unlike `give_back`, this takes milliseconds.
    """

    def __init__(self, growth: int = 256 * 1024**2) -> None:
        self._growth = growth
        self._least = resident()

    def look(self) -> None:
        """Now and then, from the thread that works."""
        now = resident()
        if now - self._least > self._growth:
            _to_libc("malloc_trim", 0)
            now = self._least = resident()
        self._least = min(self._least, now)


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
