"""Engines that die at a chosen point of a request, so many times, and then are well."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fixtures.scripted_engine import Visit

Death = Callable[[Visit], None]


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def body_of(visit: Visit, head: bytes, most: int | None = None) -> bytes:
    """The request's body, or its first bytes. Ends early if the gateway leaves."""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return visit.body(length if most is None else min(length, most))


def reset(visit: Visit) -> None:
    visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silently(_: Visit) -> None:
    pass


def in_its_head(visit: Visit) -> None:
    visit.say(b"HTTP/1.1 200 OK\r\nContent-Le")


def after_a_hint(visit: Visit) -> None:
    visit.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")


@dataclass
class Mortal:
    """A script: dies in the first `deaths` requests, each after `reads` bytes of the body; then answers its SHA-256.

    on_death: called just before. seen: bodies that were read whole.
    """

    death: Death = silently
    deaths: int = 1
    reads: int | None = None
    on_death: Callable[[], None] = lambda: None
    seen: list[bytes] = field(default_factory=list)
    died: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, visit: Visit) -> None:
        while head := visit.head():
            with self.lock:
                dies = self.died < self.deaths
                self.died += dies
            body = body_of(visit, head, self.reads if dies else None)
            if dies:
                self.on_death()
                self.death(visit)
                return
            self.seen.append(body)
            visit.say(answer(hashlib.sha256(body).hexdigest().encode()))
