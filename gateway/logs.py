"""The gateway's log: one event per line, for people on a terminal, JSON for machines such as journald."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import Any

import structlog

from gateway.config.schema import LogSettings

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # local variables may hold what is private
)
_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


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
    human = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    level: int = getattr(logging, settings.level.upper())
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if human
        else [_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
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
