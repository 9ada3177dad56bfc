"""The control routes. None of them wakes an engine but the one that is asked to."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.callers import Caller
from gateway.control.guard import Guard
from gateway.control.view import engine_view, queue_view
from gateway.errors import (
    BadParameter,
    Forbidden,
    GatewayError,
    HostNotAllowed,
    MethodNotAllowed,
    RuntimeTrouble,
    RuntimeUnavailable,
    UnknownPath,
)
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import Phase
from gateway.refusals import refusal
from gateway.supervision.fleet import Changes, Fleet
from gateway.supervision.supervisor import Supervisor

Reload = Callable[[], Awaitable[Changes]]
MOST_LOG_LINES = 10_000
RUNTIME_RETRY = 5
"""Seconds until a runtime that does not answer may be asked for a log again."""
METRICS_TYPE = "text/plain; version=0.0.4"
"""Prometheus' text format; the charset is added."""


def control_app(fleet: Fleet, portal: str | None, metrics: Callable[[], bytes], reload: Reload) -> Starlette:
    """The control API as an ASGI application. It believes what `scope["gateway.caller"]` says of the caller.

    metrics: makes the page that Prometheus reads. reload: reads the configuration again; raises ReloadRefused.
    """
    control = _Control(fleet, portal, metrics, reload)
    routes = [
        Route("/healthz", control.healthz, methods=["GET"]),
        Route("/readyz", control.readyz, methods=["GET"]),
        Route("/metrics", control.metrics, methods=["GET"]),
        Route("/api/engines", control.engines, methods=["GET"]),
        Route("/api/engines/{name}", control.engine, methods=["GET"]),
        Route("/api/engines/{name}/wake", control.wake, methods=["POST"]),
        Route("/api/engines/{name}/sleep", control.sleep, methods=["POST"]),
        Route("/api/engines/{name}/logs", control.logs, methods=["GET"]),
        Route("/api/engines/{name}/queue", control.queue, methods=["GET"]),
        Route("/api/reload", control.reload, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {GatewayError: _show, HTTPException: _show_http}
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(Guard, portal=portal)])


class _Control:
    """The routes' handlers."""

    def __init__(self, fleet: Fleet, portal: str | None, metrics: Callable[[], bytes], reload: Reload) -> None:
        self._fleet = fleet
        self._portal = portal
        self._metrics = metrics
        self._reload = reload

    async def healthz(self, _: Request) -> Response:
        """The gateway's process answers. Says nothing about engines, and touches none."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """200 when every engine's runtime has been looked at, so that what already ran has been adopted; else 503."""
        ready = self._fleet.looked
        return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """What Prometheus collects: of all engines, so a key for some of them is not enough. One for the portal is."""
        caller = _caller(request)
        if caller.hosts is not None and self._portal not in caller.hosts:
            raise HostNotAllowed("This API key is not for the portal. Use one that was made for it, or for everything.")
        return Response(self._metrics(), media_type=METRICS_TYPE)

    async def engines(self, request: Request) -> Response:
        """All engines that the caller may use."""
        caller = _caller(request)
        seen = [engine for engine in self._fleet.all if _may_use(caller, engine)]
        return JSONResponse({"engines": [engine_view(engine, admin=caller.admin) for engine in seen]})

    async def engine(self, request: Request) -> Response:
        """One engine."""
        return JSONResponse(engine_view(self._chosen(request), admin=_caller(request).admin))

    async def wake(self, request: Request) -> Response:
        """Wake the engine: 202 at once, or with ?wait=true when it is ready (200) or has failed (503).

        202 after a wait says that somebody has called the wake off.
        """
        chosen = self._steered(request)
        wait = _flag(request, "wait")
        chosen.tell(WakeAsked())
        if wait and chosen.phase is Phase.FAILED:  # the remains of an earlier failure are still cleared away
            await chosen.wait_for(Phase.WAKING, Phase.READY, Phase.ASLEEP)
        if wait:
            await chosen.wait_for(Phase.READY, Phase.FAILED, Phase.ASLEEP)
        status = {Phase.READY: 200, Phase.FAILED: 503}.get(chosen.phase, 202)
        return JSONResponse(engine_view(chosen), status)

    async def sleep(self, request: Request) -> Response:
        """Put the engine to sleep: 202 at once, or with ?wait=true when it sleeps (200).

        409 while it is busy, unless ?force=true, which cuts off what it serves, and what it served as it was configured
        before: it cannot begin until that is over. 202 after a wait says that it is awake all the same: a request came,
        or the stop failed. An engine that was removed, and still serves somebody, is found here alone.
        """
        _require_admin(request)
        chosen, *others = self._fleet.called(request.path_params["name"])
        wait = _flag(request, "wait")
        force = _flag(request, "force")
        told = [chosen, *others] if force else [chosen]
        for engine in told:
            _require_use(request, engine)
        for engine in told:
            engine.tell(SleepAsked(force=force))
        if wait:
            await chosen.wait_for(*(phase for phase in Phase if phase is not Phase.STOPPING))
        return JSONResponse(engine_view(chosen), 200 if chosen.phase is Phase.ASLEEP else 202)

    async def logs(self, request: Request) -> Response:
        """The engine's last log lines as text; ?tail= says how many (100). Raises RuntimeTrouble."""
        chosen = self._steered(request)
        try:
            lines = await chosen.runtime.logs(_tail(request))
        except RuntimeTrouble as trouble:
            trouble.message = f"The log of {chosen.name} cannot be read: the engine {trouble.message}."
            if isinstance(trouble, RuntimeUnavailable):
                trouble.retry_after = RUNTIME_RETRY
            raise
        return PlainTextResponse("".join(line + "\n" for line in lines))

    async def reload(self, request: Request) -> Response:
        """Read the configuration file again: which engines were added, changed and removed. 409 if it cannot be used.

        It is of all engines, and so is what may be wrong with it: a key for some of them is not enough.
        Nothing is cut off: engines that were changed or removed serve whom they have before they stop.
        """
        _require_admin(request)
        if _caller(request).hosts is not None:
            raise HostNotAllowed("The configuration is of all engines, and this API key is for some hostnames only.")
        return JSONResponse(dataclasses.asdict(await self._reload()))

    async def queue(self, request: Request) -> Response:
        """Who waits for the engine, next first."""
        return JSONResponse(queue_view(self._steered(request)))

    def _chosen(self, request: Request) -> Supervisor:
        """Raises UnknownEngine, and HostNotAllowed if the caller's key is for others."""
        chosen = self._fleet.get(request.path_params["name"])
        _require_use(request, chosen)
        return chosen

    def _steered(self, request: Request) -> Supervisor:
        """The same for what only administrators do. Raises Forbidden for others."""
        _require_admin(request)
        return self._chosen(request)


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["gateway.caller"]
    return caller


def _require_admin(request: Request) -> None:
    if not _caller(request).admin:
        raise Forbidden(
            "Waking engines, putting them to sleep, reading logs and queues, and reloading the configuration takes "
            "an API key made with --admin, or a user who is listed in gateway.admins."
        )


def _require_use(request: Request, engine: Supervisor) -> None:
    if not _may_use(_caller(request), engine):
        raise HostNotAllowed(f"This API key is not for {engine.name}'s hostnames.")


def _may_use(caller: Caller, engine: Supervisor) -> bool:
    return any(caller.may_use(host) for host in engine.spec.hosts)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise BadParameter(f"{name}={text} is neither true nor false.")
    return text in ("true", "1")


def _tail(request: Request) -> int:
    text = request.query_params.get("tail", "100")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST_LOG_LINES:
        raise BadParameter(f"tail must be a number from 1 to {MOST_LOG_LINES}.")
    return int(text)


def _show(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    status, headers, body = refusal(error, dict(request.scope))
    shown = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status, shown)


def _show_http(request: Request, error: Exception) -> Response:
    """What Starlette itself finds wrong."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another one")
        response = _show(request, MethodNotAllowed(f"{request.url.path} takes {allowed}, not {request.method}."))
        response.headers["allow"] = allowed
        return response
    return _show(request, UnknownPath(f"There is nothing at {request.url.path}. The control API is at /api/engines."))
