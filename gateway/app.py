"""The only place that builds and joins everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import structlog

from gateway.announcements import Announcements, RequestEnded
from gateway.auth.access import Access
from gateway.callers import ANYBODY
from gateway.clock import Clock
from gateway.config import Config
from gateway.config.schema import EngineSpec
from gateway.control.api import control_app
from gateway.control.guard import NearbyOnly
from gateway.control.portal import Portal
from gateway.errors import GatewayError
from gateway.metrics.page import Metrics
from gateway.proxy.endpoint import Endpoint
from gateway.proxy.http import Message, Receive, Send
from gateway.proxy.pool import Pool
from gateway.proxy.probe import probe_of
from gateway.proxy.routing import Routes, host_of
from gateway.proxy.shortcut import Client, Shortcut, shortcut
from gateway.runtimes import Runtimes
from gateway.runtimes.base import Runtime
from gateway.spool.spools import Spools
from gateway.supervision.fleet import Fleet
from gateway.supervision.supervisor import Supervisor

_log = structlog.get_logger()


class App:
    """The gateway as one ASGI application: engines by hostname, control on the portal and the admin address.

    fleet: the engines. admin: the (host, port) whose connections get the control API, set by the server once bound.
    announce: where facts are told. spools: where requests' bodies are kept.
    """

    def __init__(
        self, config: Config, fleet: Fleet, pool: Pool, access: Access, announce: Announcements | None = None
    ) -> None:
        self.config = config
        self.announce = announce or Announcements()
        self.fleet = fleet
        self.admin: tuple[str, int] | None = None
        self._pool = pool
        self._access = access
        settings = config.gateway
        self._portal = settings.portal
        self._metrics = Metrics(self.announce, fleet, lambda: self.config.budget)
        self._control: Any = control_app(fleet, settings.portal, self._metrics.page)
        log_all = settings.log.requests == "all"
        self._at_portal: Any = Portal(self._control, access.peers, access.ask, log_all=log_all)
        if settings.access == "everybody" and not settings.listen.is_loopback:
            self._at_portal = NearbyOnly(self._at_portal, access.peers)
        routes = Routes((host, engine) for engine in fleet.all for host in engine.spec.hosts)
        self.spools = Spools(settings.spool_folder, per_request=settings.spool.per_request, total=settings.spool.total)
        self._proxy = Endpoint(
            routes, pool, access.peers, access.ask, settings.log.requests, announce=self.announce, spools=self.spools
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._is_admins(scope):
            scope["gateway.caller"] = ANYBODY  # the address is loopback's
            await self._control(scope, receive, send)
        elif self._portal and host_of(scope) == self._portal:
            await self._at_portal(scope, receive, send)
        else:
            await self._proxy(scope, receive, send)

    def at_once(self, client: Client) -> Shortcut | None:
        """Serve this request without a task, if its engine is ready and it is that simple; see `proxy.shortcut`."""
        if self._is_admins(client.scope):
            return None
        return shortcut(self._proxy, client)  # knows the engines' hostnames only: the portal is none

    def refused(self, error: GatewayError) -> None:
        """The server has refused what never became a request: bytes that make no sense, or come too slowly."""
        self.announce.tell(RequestEnded(None, error.status, error.code, None, 0.0))

    def _is_admins(self, scope: Message) -> bool:
        """Whether the connection is with the admin address. A server that does not know its address is not there."""
        return self.admin is not None and scope["server"] == self.admin

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            stack.callback(self._pool.close)
            self.spools.folder.prepare()
            stack.callback(self.spools.folder.close)
            await stack.enter_async_context(self._access.running())
            await stack.enter_async_context(self.fleet.running())
            _log.info("gateway.started", engines=len(self.fleet.all))
            if self.config.gateway.access == "everybody":
                _log.warning("gateway.asks_nobody", reason="gateway.access is everybody: nobody needs a key")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            if self.config.gateway.on_exit == "stop":
                await self.fleet.put_to_sleep(self.config.gateway.drain_timeout)
        _log.info("gateway.stopped", engines=self.config.gateway.on_exit)
        await send({"type": "lifespan.shutdown.complete"})


def create_app(
    config: Config,
    *,
    runtime_for: Callable[[str, EngineSpec], Runtime] | None = None,
    clock: Clock | None = None,
) -> App:
    """Build the gateway for this configuration.

    runtime_for: how each engine is run, if not as the configuration says; for tests.
    """
    runtime_for = runtime_for or Runtimes(config.gateway.state_dir).runtime_for
    announce = Announcements()
    pool = Pool(head_limit=config.gateway.head_limit)
    supervisors = {}
    for name, spec in config.engines.items():
        probe = probe_of(pool, spec.ready.path, spec.hosts[0])
        supervisors[name] = Supervisor(name, spec, runtime_for(name, spec), probe, clock, announce=announce)
    return App(config, Fleet(supervisors), pool, Access(config.gateway, clock), announce)
