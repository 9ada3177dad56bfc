"""What a local engine writes: one file, begun anew when it has grown."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

ROTATE_ABOVE = 1024 * 1024
"""Size in bytes above which a start begins a new file; the old one is kept once, as `.1`."""

TAIL_BYTES = 1024 * 1024
"""Most bytes that are read to find the last lines."""


class ProcessLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")

    def open(self) -> BinaryIO:
        """For the engine to write to. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > ROTATE_ABOVE:
                self.path.replace(self.older)
        return self.path.open("ab")

    def tail(self, count: int) -> list[str]:
        """The last lines, oldest first; bytes that are not UTF-8 are replaced."""
        if count <= 0:
            return []
        lines = last_lines(self.path, count)
        return last_lines(self.older, count - len(lines)) + lines if len(lines) < count else lines


def last_lines(path: Path, count: int) -> list[str]:
    """Reads at most TAIL_BYTES, so that the first line may lack its beginning. Empty for a missing file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
    return lines[-count:]
