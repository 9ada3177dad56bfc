"""What is said about one request in the log: one line when it is over, and only if it is worth one."""

from __future__ import annotations

import time
from typing import Any

import structlog

from gateway.announcements import RequestEnded
from gateway.callers import Caller, Peer
from gateway.errors import GatewayError
from gateway.proxy.pool import ConnectFailed
from gateway.proxy.upstream import Broke

LONGEST_PATH = 200
"""Characters of a path in the log, as in the engines'."""
_log = structlog.get_logger()


class Record:
    """Facts about one request. Never its body, query or file name: they may be private.

    peer: who sent it. caller: who that is, once it is known. identity: its X-Request-ID. notable: it waited for its
    engine, was sent to it again, or failed.
    """

    __slots__ = (
        "_arrived", "_error", "_first_byte", "_reason", "_reconnects", "_repeated", "_replays", "_waited", "caller",
        "engine", "identity", "peer", "scope", "status",
    )  # fmt: skip

    def __init__(self, scope: dict[str, Any], peer: Peer, identity: bytes) -> None:
        self.scope = scope
        self.peer = peer
        self.identity = identity
        self.caller: Caller | None = None
        self._arrived = time.monotonic()
        self._waited: float | None = None
        self._first_byte: float | None = None
        self._reconnects = 0
        self._replays = 0
        self._error: str | None = None
        self._reason: str | None = None
        self._repeated = False
        self.engine: str | None = None
        self.status: int | None = None

    @property
    def notable(self) -> bool:
        return self._error is not None or self._waited is not None or self._replays > 0

    def admitted(self, *, waited: bool) -> None:
        if waited:
            self._waited = time.monotonic() - self._arrived

    def answer_began(self) -> None:
        """For one that waited, it is of interest how soon it was answered then."""
        if self._waited is not None:
            self._first_byte = time.monotonic() - self._arrived - self._waited

    def reconnected(self, failure: ConnectFailed) -> None:
        self._reconnects += 1
        self._reason = str(failure)

    def replayed(self, broke: Broke) -> None:
        self._replays += 1
        self._reason = broke.reason

    def failed(self, error: str, reason: str | None = None, status: int | None = None) -> None:
        self._error = error
        self._reason = reason or self._reason
        self.status = status or self.status

    def refused(self, error: GatewayError) -> None:
        """By the gateway itself. What is refused again and again is told in the log once."""
        self.failed(error.code, str(error.__cause__ or error), error.status)
        self._repeated = error.repeated

    def ended(self) -> RequestEnded:
        """The request as it is told of inside the process, now that it is over."""
        took = time.monotonic() - self._arrived
        facts = (self.engine, self.status, self._error, self._waited, took, self._first_byte)
        return tuple.__new__(RequestEnded, facts)  # RequestEnded(...) is Python code and takes three times as long

    def write(self, client: str) -> None:
        """client: the address that the request came from, as far as trusted proxies tell."""
        if self._repeated:
            return
        facts: dict[str, Any] = {
            "engine": self.engine,
            "request_id": self.identity.decode(),
            "client": client,
            **self._who(),
            "method": self.scope["method"],
            "path": _cut(self.scope["raw_path"].decode()),  # as it came: an escaped control character stays one
            "status": self.status,
            "waited": None if self._waited is None else round(self._waited, 4),
            "took": round(time.monotonic() - self._arrived, 4),
            "reconnects": self._reconnects or None,
            "replays": self._replays or None,
            "error": self._error,
            "reason": self._reason,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        if self._error in (None, "client_gone") or 400 <= (self.status or 0) < 500:
            _log.info("request.done" if self._error is None else "request.ended", **facts)
        else:
            _log.warning("request.failed", **facts)

    def _who(self) -> dict[str, str | None]:
        """`user` or `key`, with its name."""
        return {} if self.caller is None or self.caller.kind == "anybody" else {self.caller.kind: self.caller.name}


def _cut(path: str) -> str:
    """No stranger may fill the log with one request."""
    return path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}…"
