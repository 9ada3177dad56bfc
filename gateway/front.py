"""What one configuration makes of requests: the engines' hostnames, portal, control API. Replaced as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.announcements import Announcements
from gateway.auth.access import Access
from gateway.config import Config
from gateway.control.api import control_app
from gateway.control.guard import NearbyOnly
from gateway.control.portal import Portal
from gateway.metrics.page import Metrics
from gateway.proxy.endpoint import Endpoint
from gateway.proxy.pool import Pool
from gateway.proxy.quiet import LastAnswers
from gateway.proxy.routing import Routes
from gateway.spool.spools import Spools
from gateway.supervision.fleet import Changes, Fleet


@dataclass(frozen=True, slots=True)
class Front:
    """control: for the admin address. portal: its hostname. at_portal: the control API for clients. proxy: the rest."""

    control: Any
    portal: str | None
    at_portal: Any
    proxy: Endpoint


def front(
    config: Config,
    fleet: Fleet,
    access: Access,
    *,
    pool: Pool,
    announce: Announcements,
    spools: Spools,
    last: LastAnswers,
    metrics: Metrics,
    reload: Callable[[], Awaitable[Changes]],
) -> Front:
    """Joins them. The fleet and the access go by this configuration already."""
    settings = config.gateway
    control = control_app(fleet, settings.portal, metrics.page, reload)
    log_all = settings.log.requests == "all"
    at_portal: Any = Portal(control, access.peers, access.ask, log_all=log_all, announce=announce)
    if settings.access == "everybody" and not settings.listen.is_loopback:
        at_portal = NearbyOnly(at_portal, access.peers)
    routes = Routes((host, engine) for engine in fleet.all for host in engine.spec.hosts)
    log = settings.log.requests
    proxy = Endpoint(routes, pool, access.peers, access.ask, log, announce=announce, spools=spools, last=last)
    return Front(control, settings.portal, at_portal, proxy)
