"""What a process holds: its memory and its open files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MB = 1024 * 1024


def memory_of(pid: int) -> int:
    """Resident bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def files_of(pid: int) -> int:
    """Open files, sockets among them."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Peak:
    """memory: the most resident bytes that were seen."""

    memory = 0


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """Looks at a process's memory twenty times a second inside the block."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            peak.memory = max(peak.memory, memory_of(pid))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()
