"""Ends work in the middle: libraries have no parameter for that, but they call functions of ours.

Some of those are shared by all threads, because they stand in for the libraries' own. So each thread says for itself
what is to be called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Checkpoint = Callable[[], None]
"""Raises whatever it likes to end the work."""

_threads = threading.local()


@contextmanager
def checking(checkpoint: Checkpoint) -> Iterator[None]:
    """What this thread computes inside the block looks up with this one."""
    before = getattr(_threads, "checkpoint", None)
    _threads.checkpoint = checkpoint
    try:
        yield
    finally:
        _threads.checkpoint = before


def check() -> None:
    """Raises what this thread's checkpoint raises, if it has one."""
    checkpoint: Checkpoint | None = getattr(_threads, "checkpoint", None)
    if checkpoint is not None:
        checkpoint()
