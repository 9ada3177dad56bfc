"""No exception of the Docker SDK, or of what is under it, is left without a translation."""

from __future__ import annotations

import http.client
import inspect
import types

import docker.errors
import pytest
import requests
import requests.exceptions
import urllib3
import urllib3.exceptions

from gateway.errors import EngineMissing, RuntimeTrouble, RuntimeUnavailable, StartRefused
from gateway.runtimes.docker_errors import FOREIGN, LONGEST, shortened, translated


def exceptions_in(*modules: types.ModuleType) -> list[type[Exception]]:
    return [
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and not issubclass(found, Warning) and found.__module__ == module.__name__
    ]


PARTICULAR: dict[type[Exception], tuple[object, ...]] = {
    requests.exceptions.JSONDecodeError: ("x", "document", 0),
    urllib3.exceptions.IncompleteRead: (0, 1),
    urllib3.exceptions.InvalidChunkLength: (urllib3.HTTPResponse(), b"x"),
}


def made(kind: type[Exception]) -> Exception:
    """One of a kind, whatever it insists on being told."""
    if kind in PARTICULAR:
        return kind(*PARTICULAR[kind])
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    required = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
    return kind(*["x"] * len(required))


ALL = exceptions_in(docker.errors, requests.exceptions, urllib3.exceptions, http.client)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_of_the_libraries_is_translated(kind: type[Exception]) -> None:
    assert issubclass(kind, FOREIGN)
    assert isinstance(translated(made(kind)), RuntimeTrouble)


def answer(status: int, explanation: str | None = None) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code, response.reason = status, "Reason"
    kind = {404: docker.errors.NotFound}.get(status, docker.errors.APIError)
    return kind("failed", response=response, explanation=explanation)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (answer(404, "No such container: x"), EngineMissing, "was refused by Docker: No such container: x"),
        (answer(409, "is marked for removal"), EngineMissing, "was refused by Docker: is marked for removal"),
        (answer(404, "network abc not found"), StartRefused, "was refused by Docker: network abc not found"),
        (answer(409, "is being removed"), StartRefused, "was refused by Docker: is being removed"),
        (
            answer(500, "port is already allocated\nstack"),
            StartRefused,
            "was refused by Docker: port is already allocated",
        ),
        (answer(403), StartRefused, "was refused by Docker: Reason"),
        (answer(502), RuntimeUnavailable, "is run by Docker, which cannot be asked: Reason"),
    ],
)
def test_what_the_daemon_refuses(error: Exception, kind: type[RuntimeTrouble], words: str) -> None:
    trouble = translated(error)
    assert type(trouble) is kind
    assert trouble.message == words


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (FileNotFoundError(2, "No such file"), "there is no socket where DOCKER_HOST says"),
        (ConnectionRefusedError(111, "refused"), "nobody listens where DOCKER_HOST says"),
        (PermissionError(13, "denied"), "add it to the group `docker`"),
        (TimeoutError("timed out"), "it did not answer in time"),
    ],
)
def test_the_systems_own_error_is_found_under_its_wrappings(root: OSError, words: str) -> None:
    """As requests wraps it, when the client connects and later."""
    inner = urllib3.exceptions.ProtocolError("Connection aborted.", root)
    outer = requests.exceptions.ConnectionError(inner, request=None)
    for error in (root, inner, outer):
        assert words in translated(error).message
    wrapped = docker.errors.DockerException("Error while fetching server API version")
    wrapped.__cause__ = outer
    assert words in translated(wrapped).message


def test_errors_that_hold_each_other_do_not_hang() -> None:
    one, two = requests.exceptions.RequestException("one"), requests.exceptions.RequestException("two")
    one.__cause__, two.__cause__ = two, one
    assert "one" in translated(one).message


def test_a_long_explanation_keeps_its_beginning_and_its_end() -> None:
    text = shortened("begin " + "x" * 10_000 + " end\nsecond line")
    assert text.startswith("begin xxx")
    assert text.endswith("xxx end")
    assert len(text) <= LONGEST + 5
