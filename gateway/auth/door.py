"""The door: every request passes it, and comes out as somebody, or not at all.

    Authorization: Bearer …      a program: judged here, whatever else the request says of its sender
    X-Remote-User: …             a person, whom a trusted proxy has asked for a password; from others it means nothing
    neither                      refused, unless everybody is let in

Where everybody is let in, no key is looked at: the OpenAI SDK sends one whether there are any or not. Where that is
everybody on this machine, what a proxy that we were not told of passes on is refused: its clients are somewhere else.

A client is not told what is wrong with its key. The log is, by the cause of the error that is raised.
"""

from __future__ import annotations

import functools
import hmac
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from gateway.auth.failures import Failures
from gateway.auth.keyring import HeldKey, Keyring
from gateway.auth.last_used import LastUsed
from gateway.auth.tokens import digest_of, id_in
from gateway.callers import ANYBODY, Caller, Headers, Peer, Peers
from gateway.clock import Clock, SystemClock
from gateway.errors import KeyMissing, KeyRefused, ProxyNotTrusted, RateLimited, TooManyFailures

WRITTEN_BY_PROXIES = frozenset(
    {
        b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-server",
        b"x-forwarded-ssl", b"x-real-ip", b"forwarded", b"via", b"cf-connecting-ip", b"true-client-ip",
    }
)  # fmt: skip
"""One of them would do, but that clients can make some proxies leave one out: by naming it in Connection."""
PASSED_ON = Caller("anybody")
"""Whom a trusted proxy lets pass where nobody is asked. That proxy may let everybody pass: no administrator."""
LONGEST_USER = 256
"""Bytes of a user's name."""
_NO_KEY = bytes(32)  # compared with if there is no key of an id, so that this takes as long


class Reason(Exception):
    """What was wrong, for the log alone."""


class Door:
    """Tells who sends a request. Called once for each: what a key's rate allows is taken here.

    access: see `gateway.access`. admins: users who may steer engines. failures: who has shown wrong keys so far.
    open_by_default: what `auto` means until there is a file of keys. now: the Unix time.
    """

    def __init__(
        self,
        access: Literal["auto", "known", "everybody"],
        peers: Peers,
        keyring: Keyring,
        last_used: LastUsed,
        admins: Collection[str] = (),
        *,
        failures: Failures | None = None,
        open_by_default: bool = False,
        clock: Clock | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._open = access == "everybody"
        self._open_without_keys = access == "auto" and open_by_default
        self._peers = peers
        self._keyring = keyring
        self._last_used = last_used
        self._failures = failures or Failures()
        self._monotonic = (clock or SystemClock()).monotonic
        self._now = now
        known_admins = frozenset(admins)

        @functools.lru_cache(maxsize=1024)
        def user(name: bytes) -> Caller | None:
            text = _user_name(name)
            return None if text is None else Caller("user", text, None, text in known_admins)

        self._user = user

    def __call__(self, scope: Mapping[str, Any], peer: Peer) -> Caller:
        """Who sends this HTTP request, whose connection is with that peer.

        Raises KeyMissing, KeyRefused, RateLimited, TooManyFailures and ProxyNotTrusted.
        """
        headers: Headers = scope["headers"]
        if self._open:
            return ANYBODY if not peer.trusted else self._user_of(peer, headers) or PASSED_ON
        if self._open_without_keys and not self._has_keys():
            return _on_this_machine(headers)
        given = [value for name, value in headers if name == b"authorization"]
        if given:
            scheme, _, token = given[0].partition(b" ")
            if len(given) > 1:
                self._refuse(peer, headers, "there are several Authorization headers")
            if scheme.lower() == b"bearer":
                return self._holder(token.strip(b" "), peer, headers)
        return self._somebody(peer, headers)

    def _has_keys(self) -> bool:
        self._keyring.look()
        return self._keyring.ever

    def _somebody(self, peer: Peer, headers: Headers) -> Caller:
        """The user whom a trusted proxy names. Raises KeyMissing."""
        user = self._user_of(peer, headers)
        if user is None:
            named = peer.trusted and any(value for name, value in headers if name == b"x-remote-user")
            error = KeyMissing('Send an API key, as in "Authorization: Bearer wg_...", or log in.')
            raise error from (Reason("the proxy's X-Remote-User is no name") if named else None)
        return user

    def _user_of(self, peer: Peer, headers: Headers) -> Caller | None:
        names = [value for name, value in headers if name == b"x-remote-user"] if peer.trusted else []
        return self._user(names[0]) if len(names) == 1 and len(names[0]) <= LONGEST_USER else None

    def _holder(self, token: bytes, peer: Peer, headers: Headers) -> Caller:
        """Who holds the key with this token. Raises KeyRefused, RateLimited and TooManyFailures."""
        key_id = id_in(token)
        if key_id is None:
            self._refuse(peer, headers, "what was sent is not a key of this gateway (wg_...)")
        digest = digest_of(token)
        client = self._peers.client_of(peer, headers)
        now = self._monotonic()
        self._check_failures(client, digest, now)
        held = self._keyring.find(key_id)
        if not hmac.compare_digest(digest, held.digest if held else _NO_KEY) or held is None:
            self._failures.failed(client, now)
            _refuse(f"no key has the id {key_id}" if held is None else f"the secret of {_named(held)} is wrong")
        if held.ends <= (today := self._now()):  # no guess, and so not counted: its secret is right
            _refuse(f"{_named(held)} is {held.key.state_at(datetime.fromtimestamp(today, UTC)).value}")
        self._failures.succeeded(client, digest)
        self._last_used.note(key_id)
        if held.bucket is not None and (wait := held.bucket.take(now)):
            text = f"This API key is for {held.bucket.rate.in_words}."
            raise RateLimited(text, retry_after=wait) from Reason(f"the rate of {_named(held)}")
        return held.caller

    def _refuse(self, peer: Peer, headers: Headers, reason: str) -> NoReturn:
        """For what cannot be a key at all."""
        client, now = self._peers.client_of(peer, headers), self._monotonic()
        self._check_failures(client, None, now)
        self._failures.failed(client, now)
        _refuse(reason)

    def _check_failures(self, client: str, digest: bytes | None, now: float) -> None:
        if wait := self._failures.wait(client, digest, now):
            error = TooManyFailures("Too many wrong API keys came from this address.", retry_after=wait)
            error.repeated = not self._failures.is_news(client, now)
            raise error from Reason(f"wrong keys from {client}, which is not listened to for a while")


def _on_this_machine(headers: Headers) -> Caller:
    """Everybody on this machine. Raises ProxyNotTrusted for those whom a proxy passes on."""
    for name, _ in headers:
        if name in WRITTEN_BY_PROXIES:
            raise ProxyNotTrusted(
                "A proxy that the gateway was not told of passed this request on. "
                "Its operator has to name the proxy in gateway.trusted_proxies."
            ) from Reason(f"the header {name.decode()}")
    return ANYBODY


def _refuse(reason: str) -> NoReturn:
    raise KeyRefused("This API key is not valid.") from Reason(reason)


def _named(held: HeldKey) -> str:
    return f"key {held.key.name} ({held.key.id})"


def _user_name(value: bytes) -> str | None:
    """The name, if it is one: UTF-8 without anything that a terminal or a reader would be fooled by."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.strip() == text and text.isprintable() and text else None
