"""The gateway's log: one event per line, for people on a terminal, for journald, or JSON for other machines."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from gateway.config.schema import LogSettings

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # local variables may hold what is private
)
_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of syslog: sd-daemon(3)."""
_PLAIN = re.compile(r"[!#-<>-~]+")
"""Visible, and without quotes and equals signs."""


class Lines(structlog.WriteLogger):
    """Writes lines, and drops those that cannot be written: a full disk or a dead reader must not stop the gateway."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = error = critical = fatal = exception = failure = err = msg


def configure_logs(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging to write to standard error."""
    if isinstance(sys.stderr, io.TextIOWrapper):  # JSON is UTF-8, whatever the locale says
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    level: int = getattr(logging, settings.level.upper())
    last = _rendering(_format(settings))
    structlog.configure(
        processors=[*_SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Lines(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries say through the standard library: one line each in the same form, warnings and worse only.
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last], foreign_pre_chain=_SHARED
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _format(settings: LogSettings) -> Literal["console", "journal", "json"]:
    if settings.format != "auto":
        return settings.format
    if sys.stderr.isatty():
        return "console"
    return "journal" if _is_journals() else "json"


def _is_journals() -> bool:
    """Whether standard error leads to journald: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        facts = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def _rendering(chosen: Literal["console", "journal", "json"]) -> list[Any]:
    match chosen:
        case "console":
            plain = structlog.dev.plain_traceback
            return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
        case "journal":
            return [structlog.processors.format_exc_info, _for_journald]
        case "json":
            return [_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _for_journald(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> str:
    """`engine.ready engine=whisper after=0.5`, after the line's priority. The journal knows the time by itself."""
    entry.pop("timestamp", None)
    words = [f"<{_PRIORITIES.get(entry.pop('level', 'info'), 6)}>{_word(entry.pop('event', ''))}"]
    words += [f"{name}={_word(value)}" for name, value in entry.items()]
    return " ".join(words)


def _word(value: object) -> str:
    """As it is, if it is one plain word; else as JSON, so that nothing in it ends the line or steers a terminal."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(value if isinstance(value, str) else text)
