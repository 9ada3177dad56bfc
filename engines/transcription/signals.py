"""SIGTERM and SIGINT end the process with status 0: before the server runs at once, afterwards when it has drained.

uvicorn puts its own handlers in place while it runs, and raises the signal again when it is done. Handlers of ours are
needed around that, because the kernel protects the first process of a container from signals it has no handler for: a
stop during the start would be lost, and end in a kill. So this is installed first of all, and imports next to nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType


def end_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(_: int, __: FrameType | None) -> None:
    """Without waiting for threads: one may be in the middle of a download, and what is worth keeping has been sent."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
