"""Requests to Docker that the SDK cannot make as we need them: with a timeout of their own, in bounded memory, or in
the words of the docker-proxy.

Importing this imports the SDK, which is done in worker threads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import docker.errors
import requests
from docker import APIClient

from gateway.errors import EngineMissing
from gateway.runtimes.docker_stack import missing_container
from gateway.runtimes.log_lines import last_bytes

PORTION = 64 * 1024
"""Bytes that are read of a log at once."""

HEAD = 8
"""Bytes before each piece of a log: the stream it was written to, three zeros, and its length in four bytes."""


def start_container(client: APIClient, container: str, seconds: float) -> None:
    """Docker answers when the program has been started, which on a slow disk may take as long as the engine may.

    seconds: for Docker to answer, if that is more than it has for any call.
    """
    _checked(client.post(f"{_url(client, container)}/start", timeout=max(seconds, client.timeout)))


def read_logs(client: APIClient, container: str, tail: int, *, terminal: bool) -> bytes:
    """The end of what the container wrote in its last `tail` lines, of which the last may be of any length.

    terminal: whether it writes to one; Docker then tells nothing of two streams.
    """
    asked = {"stdout": 1, "stderr": 1, "tail": tail}
    url = f"{_url(client, container)}/logs"
    with _checked(client.get(url, params=asked, stream=True, timeout=client.timeout)) as response:
        portions = response.iter_content(PORTION)
        return last_bytes(portions if terminal else unpacked(portions))


def read_stats(client: APIClient, container: str) -> dict[str, Any]:
    """The container's statistics, measured once. Raises EngineMissing.

    Docker may take two seconds for it before 1.41 of its API, which does not know `one-shot`.
    """
    asked = {"stream": 0, "one-shot": 1}  # in this order: nginx/docker-proxy knows no other
    try:
        response = _checked(client.get(f"{_url(client, container)}/stats", params=asked, timeout=client.timeout))
    except docker.errors.NotFound:
        raise EngineMissing(missing_container(container)) from None
    stats = response.json()
    named = isinstance(stats, dict) and str(stats.get("name") or "").removeprefix("/") in ("", container)
    if not named:  # Docker also takes the beginning of an id
        raise EngineMissing(missing_container(container))
    found: dict[str, Any] = stats
    return found


def unpacked(portions: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without their heads, wherever the portions are cut."""
    head, left = b"", 0
    for portion in portions:
        rest = portion
        while rest:
            if left:
                piece, rest = rest[:left], rest[left:]
                left -= len(piece)
                yield piece
            else:
                wanted = HEAD - len(head)
                head, rest = head + rest[:wanted], rest[wanted:]
                if len(head) == HEAD:
                    head, left = b"", int.from_bytes(head[4:])


def _url(client: APIClient, container: str) -> str:
    return f"{client.base_url}/v{client.api_version}/containers/{container}"


def _checked(response: requests.Response) -> requests.Response:
    """Raises docker.errors.APIError, as the SDK's own calls do."""
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    return response
