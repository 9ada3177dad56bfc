"""The parts of the shared connection that need no Docker."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.runtimes.docker_events import attributes_in
from gateway.runtimes.docker_host import DockerHost, other_machine


@pytest.mark.parametrize(
    ("base_url", "machine"),
    [
        ("http+docker://localhost", None),
        ("http+docker://localnpipe", None),
        ("http://127.0.0.1:2375", None),
        ("http://[::1]:2375", None),
        ("http://localhost:2375", None),
        ("https://docker.example.org:2376", "docker.example.org"),
        ("http://192.168.1.7:2375", "192.168.1.7"),
        ("http+docker://ssh", None),
        ("ssh://me@docker.example.org", "docker.example.org"),
    ],
)
def test_which_machine_docker_runs_on(base_url: str, machine: str | None) -> None:
    assert other_machine(base_url) == machine


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b"{}", b'{"Actor": null}', b'{"Actor": {"Attributes": 1}}']
)
def test_an_event_that_cannot_be_read_could_be_about_anybody(line: bytes) -> None:
    assert attributes_in(line) is None


def test_an_events_attributes() -> None:
    assert attributes_in(b'{"Type": "container", "Actor": {"Attributes": {"name": "x"}}}') == {"name": "x"}


def test_repr_before_the_first_call() -> None:
    assert repr(DockerHost()) == "<DockerHost not connected engines=0>"


def test_the_sdk_is_not_imported_before_docker_is_needed() -> None:
    """It costs memory and a fifth of a second, also for a gateway without containers."""
    program = "import sys, gateway.runtimes; sys.exit(bool({'docker', 'requests', 'urllib3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
