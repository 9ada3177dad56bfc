"""MP4 files that claim more than they hold, written box by box (ISO 14496-12)."""

from __future__ import annotations

import struct


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, layout: str, *values: int | bytes) -> bytes:
    """One with a version and flags, all of them zero."""
    return box(kind, bytes(4), struct.pack(f">{layout}", *values))


def boastful(samples: int, tracks: int = 1) -> bytes:
    """Of a kilobyte or two for each track. Each claims so many samples of one byte; there are a thousand bytes."""
    header = full_box(b"mvhd", "4I80s", 0, 0, 1000, 1000, b"")
    index = [_track(number, samples) for number in range(1, 1 + tracks)]
    return box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", header, *index) + box(b"mdat", bytes(1000))


def _track(number: int, samples: int) -> bytes:
    codec = box(b"sowt", struct.pack(">6xHHHIHHHHI", 1, 0, 0, 0, 1, 16, 0, 0, 16_000 << 16))
    table = box(
        b"stbl",
        box(b"stsd", bytes(4), struct.pack(">I", 1), codec),
        full_box(b"stts", "3I", 1, samples, 2),
        full_box(b"stsc", "4I", 1, 1, samples, 1),
        full_box(b"stsz", "2I", 1, samples),
        full_box(b"stco", "2I", 1, 40),
    )
    media = box(
        b"mdia",
        full_box(b"mdhd", "4I2H", 0, 0, 16_000, 16_000, 0x55C4, 0),
        full_box(b"hdlr", "4x4s13x", b"soun"),
        box(b"minf", full_box(b"smhd", "4x"), table),
    )
    return box(b"trak", full_box(b"tkhd", "5I60x", 0, 0, number, 0, 1000), media)
