"""Docker's exceptions, and those of the libraries under it, as ours. None of them gets past here.

no such container, or one that is being removed        EngineMissing
any other refusal of the daemon (4xx, 500)             StartRefused, with its own words
no daemon, no answer, a proxy's 502 to 504, nonsense   RuntimeUnavailable
"""

from __future__ import annotations

import errno
import http.client
from collections.abc import Iterator

import docker.errors
import requests.exceptions
import urllib3.exceptions

from gateway.errors import EngineMissing, RuntimeTrouble, RuntimeUnavailable, StartRefused
from gateway.runtimes.base import PORT_TAKEN

FOREIGN = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    http.client.HTTPException,
    OSError,
)
"""All that can come out of a call to Docker, besides mistakes of our own."""

TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)

LONGEST = 300
"""Characters of the daemon's explanation that we pass on."""

HINTS = {
    errno.ENOENT: "there is no socket where DOCKER_HOST says; is it running?",
    errno.ECONNREFUSED: "nobody listens where DOCKER_HOST says; is it running?",
    errno.EACCES: "the gateway's user may not use its socket; add it to the group `docker`",
}

SIGN_OF_A_REMOVAL = "marked for removal"
SIGNS_OF_A_TAKEN_PORT = ("port is already allocated", "address already in use")


def translated(error: BaseException) -> RuntimeTrouble:
    """Our exception for one of FOREIGN."""
    if isinstance(error, docker.errors.APIError) and error.response is not None:
        words = shortened(str(error.explanation or error.response.reason or "no reason given"))
        return _refusal(error.response.status_code, words)
    return RuntimeUnavailable(f"is run by Docker, which cannot be asked: {_why_unavailable(error)}")


def _refusal(status: int, words: str) -> RuntimeTrouble:
    if status in (502, 503, 504):
        return RuntimeUnavailable(f"is run by Docker, which cannot be asked: {words}")
    if (status == 404 and "no such container" in words.lower()) or SIGN_OF_A_REMOVAL in words:
        return EngineMissing(f"was refused by Docker: {words}")
    public = PORT_TAKEN if any(sign in words for sign in SIGNS_OF_A_TAKEN_PORT) else None
    return StartRefused(f"was refused by Docker: {words}", public=public)


def _why_unavailable(error: BaseException) -> str:
    chain = list(_wrapped(error))
    for inner in chain:
        if isinstance(inner, OSError) and inner.errno in HINTS:
            return HINTS[inner.errno]
    if any(isinstance(inner, TIMEOUTS) for inner in chain):
        return "it did not answer in time"
    return shortened(str(error))


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """The error and all inside it: requests and urllib3 wrap what the system said, as causes or as arguments."""
    seen: list[BaseException] = [error]
    for outer in seen:
        yield outer
        inside = (outer.__cause__, outer.__context__, *outer.args, getattr(outer, "reason", None))
        seen += [inner for inner in inside if isinstance(inner, BaseException) and inner not in seen]


def shortened(text: str) -> str:
    """The first line; of a long one the beginning and, since that is where the runtime names the cause, the end."""
    line = text.strip().split("\n")[0].strip()
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
