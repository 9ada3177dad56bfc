"""Who shows wrong keys too often is not listened to for a while.

Counted is the client's address; of IPv6 the network of 64 bits, which is what one customer gets. Others may share that
address, behind the same router: a key that has worked from there goes on working while a neighbour guesses.

All that is remembered is bounded. Who has more addresses than that guesses no better: a key is 256 random bits, and the
limit is there to keep the log and the processor for others.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from gateway.auth.rates import Bucket, Rate
from gateway.callers import origin_of

ALLOWED = Rate(20, "m")
"""Wrong keys from one address."""
REMEMBERED = 10_000
"""Addresses, and pairs of an address and a key that has worked from there."""


class Failures:
    """Times are seconds on a clock that never steps; addresses as `callers.Peers.client_of` tells them."""

    def __init__(self, rate: Rate = ALLOWED, remembered: int = REMEMBERED) -> None:
        self._rate = rate
        self._remembered = remembered
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._good: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._told: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str, digest: bytes | None, now: float) -> float:
        """Seconds until a token with this digest is looked at, if it comes from there; 0 if it is now.

        digest: None for what cannot be a token.
        """
        origin = origin_of(address)
        bucket = self._buckets.get(origin)
        if bucket is None:
            return 0.0
        wait = bucket.wait(now)
        return 0.0 if wait and digest and (origin, digest) in self._good else wait

    def is_news(self, address: str, now: float) -> bool:
        """Whether the log is to hear that nobody listens to this address: not more than once in the rate's time."""
        origin = origin_of(address)
        told = self._told.get(origin)
        if told is not None and now - told < self._rate.per:
            return False
        self._told[origin] = now
        _make_youngest(self._told, origin, self._remembered)
        return True

    def failed(self, address: str, now: float) -> None:
        """A wrong key came from there."""
        origin = origin_of(address)
        bucket = self._buckets.get(origin)
        if bucket is None:
            bucket = self._buckets[origin] = Bucket(self._rate)
        bucket.take(now)
        _make_youngest(self._buckets, origin, self._remembered)

    def succeeded(self, address: str, digest: bytes) -> None:
        """The token with this digest was good, and came from there."""
        pair = (origin_of(address), digest)
        self._good[pair] = None
        _make_youngest(self._good, pair, self._remembered)


def _make_youngest(remembered: OrderedDict[Any, Any], key: object, most: int) -> None:
    remembered.move_to_end(key)
    if len(remembered) > most:
        remembered.popitem(last=False)
