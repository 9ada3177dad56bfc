"""The last lines of what an engine wrote, in bounded memory: it may write gigabytes, and no line break in them."""

from __future__ import annotations

from collections.abc import Iterable

TAIL_BYTES = 1024 * 1024
"""Most bytes that are read, or kept, to find the last lines."""

LONGEST_LINE = 8 * 1024
"""Characters of a line; of a longer one its beginning and its end are told."""


def last_bytes(parts: Iterable[bytes]) -> bytes:
    """The last TAIL_BYTES of a stream of any length."""
    kept = bytearray()
    for part in parts:
        kept += part[-TAIL_BYTES:]
        if len(kept) > 2 * TAIL_BYTES:
            del kept[:-TAIL_BYTES]
    return bytes(kept[-TAIL_BYTES:])


def last_lines(written: bytes, count: int) -> list[str]:
    """Oldest first; bytes that are not UTF-8 are replaced. The first line may lack its beginning."""
    if count <= 0 or not written:
        return []
    text = written.decode("utf-8", errors="replace").replace("\r\n", "\n").removesuffix("\n")
    return [_shortened(line) for line in text.split("\n")[-count:]]


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    half = LONGEST_LINE // 2
    return f"{line[: half - 1]}…{line[-half:]}"
