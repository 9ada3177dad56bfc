"""Gives memory that is no longer used back to the system."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def give_back() -> None:
    """Collect garbage, then make the allocator return what is free: takes tenths of a second, so not on the event loop.

    glibc keeps freed memory for later, in one arena for each of several threads: after a model was unloaded, much of it
    would still count as ours. Where there is no glibc (musl, macOS) garbage is collected and that is all.
    """
    import ctypes  # noqa: PLC0415  10 ms of every start, for what few starts need

    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError) as exc:
        log.debug("memory.not_trimmed reason=%r", str(exc))


def resident() -> int:
    """Bytes of physical memory that this process occupies; 0 where the system has no /proc to tell."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
