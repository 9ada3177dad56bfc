"""Requests that neither wake an engine nor keep it awake: health checks, metrics, and pages that seldom change.

While the engine is ready they are its own to answer. While it is not, the gateway answers: to a question about its
health or for its metrics with what it knows itself, to others with the engine's last good answer, if it has seen one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from gateway.callers import Headers
from gateway.config.schema import EngineSpec
from gateway.lifecycle.phases import FAILED
from gateway.proxy.headers import has_body
from gateway.proxy.http import Message, Send
from gateway.supervision.supervisor import Supervisor

HEALTH = frozenset({"/health", "/healthz", "/readyz", "/livez"})
METRICS = "/metrics"
PAGES = frozenset({"/docs", "/openapi.json", "/v1/models"})
"""Asked for because of what they say, also where an engine's `ready.path` is one of them."""
MOST_REMEMBERED = 1024 * 1024
"""Bytes of an answer that is remembered."""
MOST_ANSWERS = 64
"""Of one engine. The oldest are forgotten first."""
_PHASE = b"x-engine-phase"
_OF_NOBODY = frozenset(
    {
        b"accept", b"cache-control", b"connection", b"content-length", b"content-type", b"dnt", b"host", b"keep-alive",
        b"origin", b"pragma", b"priority", b"referer", b"save-data", b"te", b"upgrade-insecure-requests", b"user-agent",
        b"x-requested-with",
        b"authorization",  # the gateway's own, which the engine is not sent
        # of the way here, and of the address that every engine is told
        b"cdn-loop", b"cf-connecting-ip", b"cf-ipcountry", b"cf-ray", b"cf-visitor", b"forwarded", b"traceparent",
        b"tracestate", b"true-client-ip", b"via", b"x-amzn-trace-id", b"x-forwarded-for", b"x-forwarded-host",
        b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-proto", b"x-forwarded-server", b"x-real-ip",
        b"x-request-id",
    }
)  # fmt: skip
"""Headers that do not tell an engine who asks. Any other may: proxies have many names for that."""
_FAMILIES_OF_NOBODY = (b"accept-", b"if-", b"sec-ch-", b"sec-fetch-", b"x-stainless-")
"""Likewise, how their names begin; the last are the OpenAI SDK's."""
_OF_ONE_ANSWER = frozenset({b"x-request-id", b"date", b"content-length"})


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the gateway's own, or one that it remembers."""

    status: int
    headers: Headers
    body: bytes


class Answers:
    """An engine's last good answers.

    What it told a user by name is for that user only; what it told nobody in particular ("") is for everybody.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], Told] = {}

    def keep(self, user: str, path: str, told: Told) -> None:
        told = next((one for one in self._told.values() if one == told), told)  # most tell all users the same
        self._told.pop((user, path), None)
        self._told[user, path] = told
        if len(self._told) > MOST_ANSWERS:
            del self._told[next(iter(self._told))]

    def find(self, user: str, path: str) -> Told | None:
        return self._told.get((user, path)) or self._told.get(("", path))


class LastAnswers:
    """The last good answers of each engine to its quiet paths. In memory only; gone when its entry changes."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Supervisor, tuple[EngineSpec, Answers]] = WeakKeyDictionary()

    def of(self, engine: Supervisor) -> Answers:
        """Of the engine as it is set up now: it may ask now who comes."""
        found = self._of.get(engine)
        if found is None or found[0] is not engine.spec:
            self._of[engine] = found = engine.spec, Answers()
        return found[1]


def is_quiet(scope: Message, spec: EngineSpec) -> bool:
    """Whether this request is one of those. The path must be spelled as in the configuration; a query is no matter."""
    return (
        scope["method"] in ("GET", "HEAD")
        and scope["raw_path"].decode("latin-1") in spec.quiet_paths
        and not has_body(scope["headers"])
        and "gateway.upgrade" not in scope["extensions"]
    )


def told_for(engine: Supervisor, scope: Message, last: LastAnswers, user: str) -> Told | None:
    """What the gateway answers while the engine is not ready; None if that is the engine's to say.

    user: who asks, "" if it is nobody whom the engine is told.
    """
    path, phase = scope["raw_path"].decode("latin-1"), engine.phase
    if _is_about_health(path, engine.spec):
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        body = json.dumps({"status": phase.value}).encode()
        if engine.retry_in is not None:
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(engine.retry_in))))
        told = Told(503 if phase is FAILED else 200, headers, body)
    elif path == METRICS:
        told = Told(200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], b"")
    elif scope["query_string"] or (found := last.of(engine).find(user, path)) is None:
        return None
    else:
        told = found
    length = b"%d" % len(told.body)
    return Told(told.status, [*told.headers, (b"content-length", length), (_PHASE, phase.value.encode())], told.body)


def _is_about_health(path: str, spec: EngineSpec) -> bool:
    return path in HEALTH or (path == spec.ready.path and path not in PAGES)


def remembering(send: Send, engine: Supervisor, scope: Message, last: LastAnswers, user: str) -> Send:
    """A `send` that remembers the answer if it is good, small, and for everybody, or for this user at least."""
    path = scope["raw_path"].decode("latin-1")
    spec = engine.spec
    if scope["method"] != "GET" or scope["query_string"] or path == METRICS or _is_about_health(path, spec):
        return send
    if spec.forward_authorization or _may_say_who_asks(scope["headers"], user):
        return send
    answers = last.of(engine)  # not those of what it is when the answer is here

    def keep(headers: Headers, body: bytes) -> None:
        kept = [pair for pair in headers if pair[0] not in _OF_ONE_ANSWER]
        answers.keep(user, path, Told(200, kept, body))

    return _Remembering(send, keep)


def _may_say_who_asks(headers: Headers, user: str) -> bool:
    """To the engine; but for the name of a user whom a trusted proxy has asked for the password."""
    harmless = _OF_NOBODY | {b"x-remote-user"} if user else _OF_NOBODY
    return any(name not in harmless and not name.startswith(_FAMILIES_OF_NOBODY) for name, _ in headers)


class _Remembering:
    """Passes everything on; calls `keep` with an answer that is worth it, once it is whole."""

    def __init__(self, send: Send, keep: Callable[[Headers, bytes], None]) -> None:
        self._send = send
        self._keep = keep
        self._headers: Headers | None = None
        self._parts: list[bytes] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            good = message["status"] == 200 and _is_for_everybody(message["headers"])
            self._headers = message["headers"] if good else None
        elif message["type"] == "http.response.body" and self._headers is not None:
            self._add(message["body"], more=message["more_body"])
        elif message["type"] == "gateway.abort":
            self._headers = None

    def _add(self, body: bytes, *, more: bool) -> None:
        self._parts.append(body)
        self._size += len(body)
        if self._size > MOST_REMEMBERED:
            self._headers = None
            self._parts.clear()
        elif not more and self._headers is not None:
            self._keep(self._headers, b"".join(self._parts))


def _is_for_everybody(headers: Any) -> bool:
    """Whether nothing says that this answer is for who asked only, or only for the way it was asked."""
    for name, value in headers:
        if name in (b"set-cookie", b"content-encoding", b"content-range"):
            return False
        if name == b"cache-control" and (b"no-store" in value.lower() or b"private" in value.lower()):
            return False
        if name == b"vary" and any(word.strip().lower() != b"origin" for word in value.split(b",")):
            return False
    return True
