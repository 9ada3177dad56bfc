"""The connection to Docker that all engines share: one client, worker threads for its blocking calls, one event stream.

The SDK is imported at the first call, in a worker thread: it takes a fifth of a second, and memory that a gateway
without containers should not pay for. It finds Docker as its command line does: DOCKER_HOST, or the current context.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from gateway.errors import StartRefused
from gateway.runtimes.docker_address import Vantage, local_vantage
from gateway.runtimes.docker_claims import Claims
from gateway.runtimes.docker_events import Attributes, DockerEvents
from gateway.runtimes.hints import Hints

if TYPE_CHECKING:
    from docker import APIClient, DockerClient

T = TypeVar("T")

CALLS_AT_ONCE = 64
"""Worker threads, made as needed: a daemon slow to stop some engines must not delay the start of another."""

ANSWER_SECONDS = 30
"""How long Docker may take to answer a call; on top of the stop timeout for a stop."""

GOODBYE_SECONDS = 5
"""How long a Docker that has just refused something may take to say that it is there."""

SSH = "http+docker://ssh"
"""What the SDK makes of such addresses."""

SILENCE_SECONDS = 60
"""After so much silence the event stream is opened anew, in case Docker has frozen."""

Concerns = Callable[[Attributes], bool]


class DockerHost:
    """Closed by the last of the engines that attached to it.

    claims: which engine needs which container. environment: stands for the process's own, in tests.
    """

    def __init__(self, *, environment: dict[str, str] | None = None, answer_seconds: int = ANSWER_SECONDS) -> None:
        self.claims = Claims()
        self.closed = False
        self._environment = environment
        self._answer_seconds = answer_seconds
        self._client: DockerClient | None = None
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="docker")
        self._events: DockerEvents | None = None
        self._engines: dict[Hints, Concerns] = {}

    def __repr__(self) -> str:
        where = self._client.api.base_url if self._client else "not connected"
        return f"<DockerHost {where} engines={len(self._engines)}{' closed' if self.closed else ''}>"

    # engines

    def attach(self, hints: Hints, concerns: Concerns) -> None:
        """Ring `hints` for events with attributes that `concerns` says yes to, and whenever events may be missing."""
        self._engines[hints] = concerns

    async def detach(self, hints: Hints) -> None:
        self._engines.pop(hints, None)
        if not self._engines and not self.closed:
            self.closed = True
            await asyncio.to_thread(self._close)

    def follow_events(self) -> None:
        """Open the event stream, if it is not open. Call on the event loop that the hints belong to."""
        if self._events is None and not self.closed:
            loop = asyncio.get_running_loop()
            self._events = DockerEvents(
                connect=lambda: self._connect(SILENCE_SECONDS),
                deliver=lambda attributes: _post(loop, lambda: self._ring(attributes)),
            )

    # calls

    async def call(self, action: Callable[[APIClient], T]) -> T:
        """Run `action` in a worker thread. A caller that is cancelled leaves; what has begun goes on to its end.

        Raises RuntimeTrouble, and nothing of the library's.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._perform, action)

    async def answers(self) -> None:
        """Return when Docker answers, however busy it is with what it was asked before. Raises RuntimeUnavailable."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._ask_whether_there)

    def _perform(self, action: Callable[[APIClient], T]) -> T:
        from gateway.runtimes.docker_errors import FOREIGN, translated  # noqa: PLC0415 - imports the SDK

        try:
            client = self._connected()
        except Exception as error:  # all of it is the library's, which raises a bare Exception for a damaged context
            raise translated(error) from error
        try:
            return action(client.api)
        except FOREIGN as error:
            trouble = translated(error)
            if isinstance(trouble, StartRefused):
                self._ask_whether_there()
            raise trouble from error

    def _ask_whether_there(self) -> None:
        """A daemon that is about to end lets nobody in any more, and refuses with odd reasons what it was just at.

        Raises RuntimeUnavailable.
        """
        from gateway.runtimes.docker_errors import FOREIGN, translated  # noqa: PLC0415 - imports the SDK

        try:
            self._connect(min(GOODBYE_SECONDS, self._answer_seconds)).close()
        except FOREIGN as error:
            raise translated(error) from error

    @contextlib.contextmanager
    def anew(self) -> Iterator[APIClient]:
        """A client of its own, and so a new connection; only inside a call.

        A daemon that shuts down lets nobody in, but goes on serving those who are in; and a container that is started
        then is lost to it. Through ssh, where each connection is a login, it is the client of all.
        """
        shared = self._connected()
        if shared.api.base_url.startswith(SSH):
            yield shared.api
            return
        client = self._connect(self._answer_seconds)
        try:
            yield client.api
        finally:
            client.close()

    def vantage(self) -> Vantage:
        """From where addresses are looked at; only inside a call."""
        return local_vantage(other_machine(str(self._connected().api.base_url)))

    def _connected(self) -> DockerClient:
        """Asks the daemon for its version, outside the guard: engines should not queue for a daemon that is frozen."""
        return self._client or self._shared(self._connect(self._answer_seconds))

    def _shared(self, client: DockerClient) -> DockerClient:
        """The first client that got through serves everybody."""
        with self._guard:
            if self._client is None:
                self._client = client
            else:
                client.close()
            return self._client

    def _connect(self, timeout: int) -> DockerClient:
        import docker  # noqa: PLC0415 - see the top

        return docker.from_env(timeout=timeout, max_pool_size=CALLS_AT_ONCE, environment=self._environment)

    # inside

    def _ring(self, attributes: Attributes | None) -> None:
        for hints, concerns in list(self._engines.items()):
            if attributes is None or concerns(attributes):
                hints.ring()

    def _close(self) -> None:
        if self._events is not None:
            self._events.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            if self._client is not None:
                self._client.close()


def other_machine(base_url: str) -> str | None:
    """The host in a client's base URL, if Docker runs on another machine than this."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https", "ssh") or host in ("", "localhost"):
        return None
    try:
        return None if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Raises RuntimeError once the loop is closed, which ends the thread that posts."""
    loop.call_soon_threadsafe(callback)
