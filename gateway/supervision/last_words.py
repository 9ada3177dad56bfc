"""What an engine wrote before it failed, for our own log."""

from __future__ import annotations

from typing import Any

from gateway.errors import RuntimeTrouble
from gateway.runtimes.base import Runtime

LINES = 10


async def log_last_words(runtime: Runtime, log: Any) -> None:
    """The engine's last lines, one event each. Never raises."""
    try:
        for line in await runtime.logs(LINES):
            log.warning("engine.said", line=line)
    except RuntimeTrouble as error:
        log.warning("engine.log_unavailable", reason=error.message)
    except Exception:  # ours; the log is no reason for an engine not to be stopped
        log.exception("engine.log_broke")
