"""One line in the log for every request; and its id at the end of every line that is written on its behalf.

A line tells what helps to find a request again in the logs of gateway and proxy, which have the same id. It never holds
the query, a header, a form field or a file name: they may be private.
"""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_LONGEST_PATH = 200
_ASKED_ALL_THE_TIME = "/health"
"""By the gateway while it waits for the engine, and by Docker twice a minute."""
_CLIENT_LEFT = 499
"""See refusals.py. Nobody heard it."""

_current = ContextVar("request", default="")


class RequestLog:
    """ASGI middleware, inside of RequestIds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name: str = scope["state"]["request_id"]
        _current.set(name)  # for good: every request is a task of its own, and its traceback is written after us
        began = time.monotonic()
        status, complete = 0, False

        async def watching(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception:  # the application's; passed on
            if not status:
                status, complete = 500, True  # what is made of it outside of all middleware
            raise
        finally:
            log.log(
                logging.DEBUG if scope["path"] == _ASKED_ALL_THE_TIME else logging.INFO,
                "request.%s method=%s path=%s status=%d after=%.3fs%s",
                "answered" if complete and status != _CLIENT_LEFT else "broken_off",
                scope["method"],
                _printable(scope),
                status,
                time.monotonic() - began,
                _chosen(scope, name),
            )


def of_request(record: logging.LogRecord) -> bool:
    """A filter for handlers: gives each record `request`, which is empty where no request caused it."""
    name = _current.get()
    record.request = f" request_id={name}" if name else ""
    return True


def _printable(scope: Scope) -> str:
    """The path as it came, in which an escaped line break is still escaped."""
    path: bytes = scope.get("raw_path") or scope["path"].encode(errors="backslashreplace")
    text = path.partition(b"?")[0].decode("ascii", "backslashreplace")
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_PATH else f"{text[: _LONGEST_PATH - 1]}…"


def _chosen(scope: Scope, name: str) -> str:
    """What the request's form has called it, if that is something else than its header."""
    chosen: str = scope["state"]["request_id"]
    return "" if chosen == name else f" called={chosen}"
