"""Which engines need which containers, so that a shared one is not stopped while somebody needs it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable


class Claims:
    """Containers by name, with the engines that run on them or are being started.

    Used from worker threads. Whoever starts or stops a container holds its lock meanwhile and looks at the claims
    inside: a start that comes late finds its claim withdrawn, a stop finds the claim of an engine that starts just now.
    A thread's lock, not a coroutine's: a cancelled caller leaves, while what it began in a thread goes on to its end.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._engines: defaultdict[str, set[str]] = defaultdict(set)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def lock(self, container: str) -> threading.Lock:
        with self._guard:
            return self._locks[container]

    def claim(self, engine: str, containers: Iterable[str]) -> None:
        """The engine needs these, and no others any more."""
        wanted = set(containers)
        with self._guard:
            for container in wanted | set(self._engines):
                self._update(container, engine, wanted=container in wanted)

    def release(self, engine: str, container: str | None = None) -> None:
        """The engine no longer needs this container; without one, none at all."""
        with self._guard:
            for name in [container] if container is not None else list(self._engines):
                self._update(name, engine, wanted=False)

    def holds(self, engine: str, container: str) -> bool:
        with self._guard:
            return engine in self._engines.get(container, ())

    def others_hold(self, engine: str, container: str) -> bool:
        with self._guard:
            return bool(self._engines.get(container, set()) - {engine})

    def _update(self, container: str, engine: str, *, wanted: bool) -> None:
        if wanted:
            self._engines[container].add(engine)
        elif container in self._engines:
            self._engines[container].discard(engine)
            if not self._engines[container]:
                del self._engines[container]
