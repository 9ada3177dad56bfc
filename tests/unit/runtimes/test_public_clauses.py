"""What of a runtime's trouble anybody may read, while its message is for operators."""

from __future__ import annotations

import socket

import docker.errors
import pytest
import requests

from gateway.errors import EngineMissing, RuntimeTrouble, RuntimeUnavailable, StartRefused
from gateway.runtimes.base import Address
from gateway.runtimes.docker_errors import translated
from gateway.runtimes.process_spawn import refuse_taken_port


@pytest.mark.parametrize(
    ("kind", "public"),
    [
        (RuntimeTrouble, "could not be managed by its runtime"),
        (EngineMissing, "does not exist yet"),
        (RuntimeUnavailable, "cannot be reached at the moment"),
        (StartRefused, "was refused by its runtime"),
    ],
)
def test_each_kind_of_trouble_has_a_clause_that_tells_no_insides(kind: type[RuntimeTrouble], public: str) -> None:
    trouble = kind("could not be run: there is no program '/opt/secret/engine'", retry_after=2)
    assert trouble.public == public
    assert str(trouble) == trouble.message == "could not be run: there is no program '/opt/secret/engine'"
    assert trouble.retry_after == 2


def test_a_refusal_may_say_more() -> None:
    assert StartRefused("needs port 8000", public="needs a port that is taken").public == "needs a port that is taken"
    assert StartRefused("needs port 8000").public == "was refused by its runtime"


def test_a_taken_port_is_told_to_everybody_without_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(StartRefused) as caught:
        refuse_taken_port(Address("127.0.0.1", server.getsockname()[1]))
    assert caught.value.public == "needs a port that is taken"


@pytest.mark.parametrize(
    ("words", "public"),
    [
        ("driver failed ...: Bind for 127.0.0.1:8000 failed: port is already allocated", "needs a port that is taken"),
        ("listen tcp4 127.0.0.1:8000: bind: address already in use", "needs a port that is taken"),
        ("exec /opt/secret: no such file or directory", "was refused by its runtime"),
    ],
)
def test_dockers_own_words_are_for_operators(words: str, public: str) -> None:
    response = requests.Response()
    response.status_code = 500
    trouble = translated(docker.errors.APIError("failed", response=response, explanation=words))
    assert trouble.message == f"was refused by Docker: {words}"
    assert trouble.public == public
