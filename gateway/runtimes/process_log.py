"""What a local engine writes: one file, begun anew when it has grown.

The engine writes to the file itself, so that its words are kept while no gateway runs. Each write goes to the end of
the file, wherever that is by then: so the file can be shortened under a running engine.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

from gateway.runtimes.log_lines import TAIL_BYTES, last_lines

ROTATE_ABOVE = 1024 * 1024
"""Size in bytes above which a start begins a new file; the old one is kept once, as `.1`."""

SHORTEN_ABOVE = 16 * 1024 * 1024
"""Size in bytes above which the file of a running engine is begun anew; the last TAIL_BYTES are kept, as `.1`."""


class ProcessLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")

    def open(self) -> BinaryIO:
        """For the engine to append to. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > ROTATE_ABOVE:
                self.path.replace(self.older)
        return self.path.open("ab")

    def keep_short(self) -> None:
        """Begin the file anew if it has grown too large. What the engine writes in this very moment is lost.

        On a full disk its end is lost as well: the engines need the place more.
        """
        with contextlib.suppress(OSError):
            if self.path.stat().st_size > SHORTEN_ABOVE:
                end = last_bytes_of(self.path)
                with self.path.open("r+b") as file:
                    file.truncate(0)
                self.older.write_bytes(end)

    def tail(self, count: int) -> list[str]:
        """The last lines, oldest first."""
        lines = last_lines(last_bytes_of(self.path), count)
        missing = count - len(lines)
        return last_lines(last_bytes_of(self.older), missing) + lines if missing > 0 else lines


def last_bytes_of(path: Path) -> bytes:
    """At most TAIL_BYTES; none of a missing file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES)
    except OSError:
        return b""
