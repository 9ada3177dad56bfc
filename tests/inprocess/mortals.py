"""Engines that die at a chosen point of a request, so many times, and then are well."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.ports import free_port
from tests.fixtures.scripted_engine import ScriptedEngine, Visit

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


class Program:
    """An engine that its runtime starts anew whenever it has died, as a program does: no run listens for the next one.

    It dies in the first `deaths` requests for /kill. heard: how often it was asked for that. told_first: its runtime
    knows that it has died before anybody can see it at a connection; else after that.
    """

    def __init__(self, gateway: Gateway, port: int, *, deaths: int, told_first: bool) -> None:
        self.heard = 0
        self.runs: list[ScriptedEngine] = []
        self._gateway = gateway
        self._port = port
        self._deaths = deaths
        self._told_first = told_first
        gateway.runtimes["whisper"].on_start = self._begin

    def close(self) -> None:
        for run in self.runs:
            run.close()

    def _begin(self) -> None:
        self.runs.append(ScriptedEngine(self._play, self._port))
        self.runs[-1].start()

    def _play(self, visit: Visit) -> None:
        while head := visit.head():
            if b" /kill" in head:
                self.heard += 1
                if self.heard <= self._deaths:
                    self._die()
                    return
            visit.say(answer(b"ok"))

    def _die(self) -> None:
        acts: list[Callable[[], object]] = [
            self.runs[-1].die,
            lambda: self._gateway.on_loop(self._gateway.runtimes["whisper"].crash),
        ]
        for act in reversed(acts) if self._told_first else acts:
            act()


@contextmanager
def program(*, deaths: int, told_first: bool = False, **settings: object) -> Iterator[tuple[Program, Gateway]]:
    """A gateway before such an engine, which sleeps. settings: the engine's."""
    port = free_port()
    with ExitStack() as stack:
        gateway = stack.enter_context(running_gateway({"whisper": Engine(port, **settings)}))
        engine = Program(gateway, port, deaths=deaths, told_first=told_first)
        stack.callback(engine.close)
        yield engine, gateway
