"""Joins what decides about access: proxies, keys and users. Each request is asked once, whoever wants to know."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from gateway.auth.door import Door
from gateway.auth.failures import Failures
from gateway.auth.keyring import Keyring
from gateway.auth.last_used import LastUsed
from gateway.callers import Caller, Peer, Peers
from gateway.clock import Clock
from gateway.config.schema import GatewaySettings
from gateway.errors import GatewayError


class Access:
    """Who may come in, by these settings. peers: tells our proxies from others."""

    def __init__(self, settings: GatewaySettings, clock: Clock | None = None) -> None:
        self._clock = clock
        self._settings: object = None
        self._last_used = LastUsed(settings.state_dir, clock)
        self._keyring = Keyring(settings.state_dir)
        self._failures = Failures()
        self.change(settings)

    def change(self, settings: GatewaySettings) -> None:
        """Go by other settings, but for the folder of the keys.

        What is left of each key's rate stays, and so does who has guessed keys.
        """
        own = (settings.access, settings.trusted_proxies, settings.admins, settings.listen)
        if own == self._settings:
            return
        self._settings = own
        self.peers = Peers(settings.trusted_proxies)
        self._door = Door(
            settings.access,
            self.peers,
            self._keyring,
            self._last_used,
            settings.admins,
            failures=self._failures,
            open_by_default=settings.listen.is_loopback and not settings.trusted_proxies,
            clock=self._clock,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        """Writes down when keys were last used, inside the block."""
        return self._last_used.running()

    def ask(self, scope: Any, peer: Peer) -> Caller:
        """Who sends this request; remembered in its scope, because an answer uses up some of a key's rate.

        Raises what the door raises.
        """
        known: Caller | GatewayError | None = scope.get("gateway.caller")
        if known is None:
            try:
                known = self._door(scope, peer)
            except GatewayError as error:
                known = error
            scope["gateway.caller"] = known
        if isinstance(known, GatewayError):
            raise known.with_traceback(None)  # else each time it is raised would be added to the last
        return known
