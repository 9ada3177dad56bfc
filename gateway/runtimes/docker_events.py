"""What happens to containers, as Docker tells it: one stream for all engines, in a thread of its own.

The stream ends without a word when the daemon restarts, and a frozen daemon leaves it silent. So it is opened again
whenever it ends, and after a minute of silence; and each time somebody has to look for what was missed meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from docker import APIClient, DockerClient
    from docker.types.daemon import CancellableStream

EVENTS = ["start", "die", "oom", "pause", "unpause", "destroy", "create", "rename", "restart"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts to open the stream."""

SETTLED = 1.0
"""A stream that has lasted for so many seconds was a good one: the pauses begin anew."""

OVERLAP = 5
"""Seconds of the past that a new stream begins with. The daemon says "connected" a moment before it listens to itself,
and what happens in between would be lost; hearing of something twice does no harm."""

Attributes = Mapping[str, str]
"""Of the container an event is about: `name` and its labels."""

_log = structlog.get_logger()


class DockerEvents:
    """connect: makes a client for this stream alone, whose read timeout is the longest silence. deliver: called in the
    thread, with the attributes of each event, and with None whenever events may have been missed.
    """

    def __init__(self, connect: Callable[[], DockerClient], deliver: Callable[[Attributes | None], None]) -> None:
        self._connect = connect
        self._deliver = deliver
        self._closing = threading.Event()
        self._stream: CancellableStream[bytes] | None = None
        self._answers = True
        self._thread = threading.Thread(target=self._run, name="docker-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the stream and wait for the thread, but not for long: Docker may be what it waits for."""
        self._closing.set()
        if (stream := self._stream) is not None:
            with contextlib.suppress(Exception):  # it has ended by itself, or cannot be closed from here, as over SSH
                stream.close()
        self._thread.join(1)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            opened = time.monotonic()
            try:
                self._follow()
            except Exception as error:  # whatever the library raises, the next attempt may succeed
                self._note_failure(error)
            pause = FIRST_PAUSE if time.monotonic() - opened > SETTLED else min(pause * 2, LONGEST_PAUSE)
            self._closing.wait(pause)

    def _follow(self) -> None:
        """One stream, from its beginning to its end."""
        client = self._connect()
        try:
            self._stream = open_stream(client.api)
            self._note_success()
            self._deliver(None)
            if not self._closing.is_set():
                for line in self._stream:
                    self._deliver(attributes_in(line))
        finally:
            self._stream = None
            client.close()

    def _note_success(self) -> None:
        if not self._answers:
            self._answers = True
            _log.info("docker.answers_again")

    def _note_failure(self, error: Exception) -> None:
        """Once per outage. An open stream that ends, or a minute of silence, is nothing to speak of."""
        if self._answers and not self._closing.is_set():
            self._answers = False
            _log.warning("docker.does_not_answer", reason=_reason(error))


def open_stream(api: APIClient) -> CancellableStream[bytes]:
    """One line of JSON per event. Ends when the connection does, or after a silence as long as the client's timeout.

    The SDK's own `events()` waits for ever, also on a connection whose other end has vanished.
    """
    from docker.types import CancellableStream  # noqa: PLC0415 - the SDK is imported in threads only

    response = api.get(
        f"{api.base_url}/v{api.api_version}/events",
        params={
            "since": str(int(time.time()) - OVERLAP),
            "filters": json.dumps({"type": ["container"], "event": EVENTS}),
        },
        stream=True,
        timeout=api.timeout,
    )
    response.raise_for_status()
    return CancellableStream(response.iter_lines(), response)


def attributes_in(line: bytes) -> Attributes | None:
    """Of the container that an event is about; None for what cannot be read, which could be about any."""
    try:
        attributes = json.loads(line)["Actor"]["Attributes"]
    except (ValueError, KeyError, TypeError):
        return None
    return attributes if isinstance(attributes, dict) else None


def _reason(error: Exception) -> str:
    from gateway.runtimes.docker_errors import FOREIGN, translated  # noqa: PLC0415 - imports the SDK

    return translated(error).message if isinstance(error, FOREIGN) else str(error)
