"""Docker's exceptions, and those of the libraries under it, as ours. None of them gets past here.

no such container                                      EngineMissing
any other refusal of the daemon (4xx, 500)             StartRefused, with its own words
no daemon, no answer, a proxy's 502 to 504, nonsense   RuntimeUnavailable
"""

from __future__ import annotations

import errno
import http.client

import docker.errors
import requests.exceptions
import urllib3.exceptions

from gateway.errors import EngineMissing, RuntimeTrouble, RuntimeUnavailable, StartRefused

FOREIGN = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
"""All that can come out of a call to Docker, besides mistakes of our own."""

LONGEST = 300
"""Characters of the daemon's explanation that we pass on."""

HINTS = {
    errno.ENOENT: "there is no socket where DOCKER_HOST says; is it running?",
    errno.ECONNREFUSED: "nobody listens where DOCKER_HOST says; is it running?",
    errno.EACCES: "the gateway's user may not use its socket; add it to the group `docker`",
}


def translated(error: BaseException, missing: str) -> RuntimeTrouble:
    """Our exception for one of FOREIGN. `missing` says which container is needed, and what creates it."""
    if isinstance(error, docker.errors.APIError) and error.response is not None:
        words = shortened(str(error.explanation or error.response.reason or "no reason given"))
        return _refusal(error.response.status_code, words, missing)
    return RuntimeUnavailable(f"is run by Docker, which cannot be asked: {_why_unavailable(error)}")


def _refusal(status: int, words: str, missing: str) -> RuntimeTrouble:
    if status in (502, 503, 504):
        return RuntimeUnavailable(f"is run by Docker, which cannot be asked: {words}")
    if status == 404 and "no such container" in words.lower():
        return EngineMissing(missing)
    return StartRefused(f"was refused by Docker: {words}")


def _why_unavailable(error: BaseException) -> str:
    root = _system_error(error)
    if root is not None and root.errno in HINTS:
        return HINTS[root.errno]
    if isinstance(error, requests.exceptions.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
        return "it did not answer in time"
    return shortened(str(root or error))


def _system_error(error: BaseException, depth: int = 8) -> OSError | None:
    """The operating system's own error, which requests and urllib3 wrap several times, as cause or as argument."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    inner = [error.__cause__, error.__context__, *error.args, getattr(error, "reason", None)]
    for candidate in inner if depth else []:
        if isinstance(candidate, BaseException) and (found := _system_error(candidate, depth - 1)):
            return found
    return None


def shortened(text: str) -> str:
    """The first line; of a long one the beginning and, since that is where the runtime names the cause, the end."""
    line = text.strip().split("\n")[0].strip()
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
