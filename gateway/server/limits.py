"""How much a client may send, hold open, or leave waiting."""

from __future__ import annotations

from dataclasses import dataclass

HIGH_WATER = 256 * 1024
"""Bytes that may wait in memory, each way, before the sender is held back."""
KEEP_ALIVE = 75.0
"""Seconds for which a connection without a request is kept."""
STALL = 300.0
"""Seconds without a byte, in the middle of a body, after which a client counts as gone."""
LINGER = 30.0
"""Seconds for which a client may go on sending after it has been told no, or leave untaken what it was sent last."""
MOST_DROPPED = 256 * 1024 * 1024
"""Bytes that it may send meanwhile. Simple clients read a refusal only when their whole upload is out, so that a
recording of some hours must fit in; a flood must not.
"""
MOST_PIPELINED = 32
"""Requests that may wait for their turn before reading stops."""
MOST_QUEUED = 256
"""Requests that may wait at most: one piece of bytes can hold thousands of tiny ones, and each costs a few KiB."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Those that are settings. head: bytes of a request head. head_timeout: seconds for it to arrive."""

    head: int = 32 * 1024
    head_timeout: float = 30.0
