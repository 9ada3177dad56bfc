"""The only place that builds and joins everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from gateway.announcements import Announcements, RequestEnded
from gateway.auth.access import Access
from gateway.callers import ANYBODY
from gateway.clock import Clock
from gateway.config import Config
from gateway.config.schema import EngineSpec
from gateway.errors import GatewayError, ReloadRefused
from gateway.front import Front, front
from gateway.metrics.page import Metrics
from gateway.proxy.http import Message, Receive, Send
from gateway.proxy.pool import Pool
from gateway.proxy.probe import probe_of
from gateway.proxy.quiet import LastAnswers
from gateway.proxy.routing import host_of
from gateway.proxy.shortcut import Client, Shortcut, shortcut
from gateway.reloading import Reloader
from gateway.runtimes import Runtimes
from gateway.runtimes.base import Runtime
from gateway.spool.spools import Spools
from gateway.supervision.fleet import Changes, Fleet
from gateway.supervision.housekeeping import Housekeeping
from gateway.supervision.readiness import Probe
from gateway.supervision.room import Room
from gateway.supervision.steward import Steward
from gateway.supervision.supervisor import Supervisor

RuntimeFor = Callable[[str, EngineSpec], Runtime]
_log = structlog.get_logger()


class App:
    """The gateway as one ASGI application: engines by hostname, control on the portal and the admin address.

    fleet: the engines. admin: the (host, port) whose connections get the control API, set by the server once bound.
    announce: where facts are told. housekeeping: what is done for all engines. spools: where requests' bodies are
    kept. reloader: set by whoever knows the file that the configuration came from.
    """

    def __init__(
        self,
        config: Config,
        fleet: Fleet,
        pool: Pool,
        access: Access,
        *,
        housekeeping: Housekeeping,
        announce: Announcements,
    ) -> None:
        self.config = config
        self.announce = announce
        self.fleet = fleet
        self.admin: tuple[str, int] | None = None
        self.reloader: Reloader | None = None
        self._pool = pool
        self._access = access
        self.housekeeping = housekeeping
        self._last = LastAnswers()
        spool = config.gateway.spool
        self.spools = Spools(config.gateway.spool_folder, per_request=spool.per_request, total=spool.total)
        self._metrics = Metrics(announce, fleet, lambda: self.config.budget, self.spools.quota)
        self._front = self._joined()

    def apply(self, config: Config) -> Changes:
        """Go by this configuration from the next request on. It must have the same `reloading.FIXED` settings."""
        self.housekeeping.change(config)  # first: it decides which engines have to ask for room
        try:
            changes = self.fleet.apply(config.engines)
        except Exception:  # nothing has changed, so nothing shall
            self.housekeeping.change(self.config)
            raise
        self._access.change(config.gateway)
        self.spools.resize(per_request=config.gateway.spool.per_request, total=config.gateway.spool.total)
        self.config = config
        self._front = self._joined()
        return changes

    def _joined(self) -> Front:
        return front(
            self.config,
            self.fleet,
            self._access,
            pool=self._pool,
            announce=self.announce,
            spools=self.spools,
            last=self._last,
            metrics=self._metrics,
            reload=self._reload,
        )

    async def _reload(self) -> Changes:
        """What an operator asks for. Raises ReloadRefused."""
        if self.reloader is None:
            raise ReloadRefused("This gateway was not started from a file.")
        return await self.reloader.reload("an operator")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        front = self._front
        if self._is_admins(scope):
            scope["gateway.caller"] = ANYBODY  # the address is loopback's
            await front.control(scope, receive, send)
        elif front.portal and host_of(scope) == front.portal:
            await front.at_portal(scope, receive, send)
        else:
            await front.proxy(scope, receive, send)

    def at_once(self, client: Client) -> Shortcut | None:
        """Serve this request without a task, if its engine is ready and it is that simple; see `proxy.shortcut`."""
        if self._is_admins(client.scope):
            return None
        return shortcut(self._front.proxy, client)  # knows the engines' hostnames only: the portal is none

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
            stack.callback(self.spools.folder.close)
            await stack.enter_async_context(self._access.running())
            await stack.enter_async_context(self.fleet.running())
            await stack.enter_async_context(self.housekeeping.running())
            _log.info("gateway.started", engines=len(self.fleet.all))
            if self.config.gateway.access == "everybody":
                _log.warning("gateway.asks_nobody", reason="gateway.access is everybody: nobody needs a key")
            if self.reloader is not None:
                await stack.enter_async_context(self.reloader.running())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            if self.config.gateway.on_exit == "stop":
                await self.fleet.put_to_sleep(self.config.gateway.drain_timeout)
        _log.info("gateway.stopped", engines=self.config.gateway.on_exit)
        await send({"type": "lifespan.shutdown.complete"})


class Hiring:
    """Makes supervisors, with all that they need."""

    def __init__(
        self, runtime_for: RuntimeFor, pool: Pool, clock: Clock | None, announce: Announcements, steward: Steward
    ) -> None:
        self._steward = steward
        self._runtime_for = runtime_for
        self._pool = pool
        self._announce = announce
        self._clock = clock

    def supervisor(self, name: str, spec: EngineSpec) -> Supervisor:
        runtime, probe, announce = self._runtime_for(name, spec), self.probe(spec), self._announce

        def make(room: Room) -> Supervisor:
            budgeted = self.budgeted(spec)
            return Supervisor(name, spec, runtime, probe, self._clock, announce=announce, room=room, budgeted=budgeted)

        return self._steward.seated(make)

    def budgeted(self, spec: EngineSpec) -> bool:
        return self._steward.counts(spec.needs)

    def probe(self, spec: EngineSpec) -> Probe:
        return probe_of(self._pool, spec.ready.path, spec.hosts[0])


def create_app(
    config: Config,
    *,
    runtime_for: RuntimeFor | None = None,
    clock: Clock | None = None,
) -> App:
    """Build the gateway for this configuration. Raises OSError if the folder for request bodies cannot be used.

    runtime_for: how each engine is run, if not as the configuration says; for tests.
    """
    runtime_for = runtime_for or Runtimes(config.gateway.state_dir).runtime_for
    announce = Announcements()
    pool = Pool(head_limit=config.gateway.head_limit)
    housekeeping = Housekeeping(lambda: fleet, config, clock, announce)
    hiring = Hiring(runtime_for, pool, clock, announce, housekeeping.steward)
    fleet = Fleet({name: hiring.supervisor(name, spec) for name, spec in config.engines.items()}, hiring)
    app = App(config, fleet, pool, Access(config.gateway, clock), housekeeping=housekeeping, announce=announce)
    app.spools.folder.prepare()
    return app
