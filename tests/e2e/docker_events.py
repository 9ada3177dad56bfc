"""What has happened to containers, as Docker tells it: its events come a moment after its answers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import docker

LAST = "update"
"""An event that nothing but the end of a block causes."""


NO_RESTART: Any = {"Name": "no"}
"""A policy that the SDK's types have forgotten."""


class Happening(NamedTuple):
    """at: nanoseconds since 1970."""

    action: str
    container: str
    at: int


@contextlib.contextmanager
def happenings(containers: Sequence[str], actions: Sequence[str]) -> Iterator[list[Happening]]:
    """Collects these events of containers inside the block, in order; complete when that is left."""
    seen: list[Happening] = []
    client = docker.from_env()
    filters = {"type": "container", "container": [*containers], "event": [*actions, LAST]}
    # By the time, because Docker answers before it has begun to listen.
    since: Any = f"{time.time():.6f}"  # Docker knows parts of seconds, its SDK's types do not
    stream = client.events(since=since, filters=filters, decode=True)

    def collect() -> None:
        for event in stream:
            if event["Action"] == LAST:
                return
            seen.append(Happening(event["Action"], event["Actor"]["Attributes"]["name"], event["timeNano"]))

    collecting = threading.Thread(target=collect)
    collecting.start()
    try:
        yield seen
        client.containers.get(containers[0]).update(restart_policy=NO_RESTART)
        collecting.join()
    finally:
        stream.close()
        collecting.join()
        client.close()
