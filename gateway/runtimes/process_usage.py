"""How much memory a local engine takes."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

PROC = Path("/proc")


def group_memory(group: int) -> int | None:
    """Bytes that the processes of this process group have in main memory, together; None where nobody can tell.

    What they share counts for each of them: that is more than they take, never less. proc(5), /proc/pid/stat.
    """
    total, members = 0, 0
    for entry in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended meanwhile
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()  # a name may hold anything
            if int(fields[2]) == group:
                total += int(fields[21]) * resource.getpagesize()
                members += 1
    return total if members else None
