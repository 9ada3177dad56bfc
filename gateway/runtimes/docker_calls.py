"""Two requests to Docker that the SDK cannot make as we need them: with a timeout of their own, or in bounded memory.

Importing this imports the SDK, which is done in worker threads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import docker.errors
import requests
from docker import APIClient

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
