"""The shipped compose files, read and created by the real compose."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import docker

from tests.e2e.conftest import ROOT

CPU, GPU = ROOT / "compose.yaml", ROOT / "compose.gpu.yaml"
HARDENING = ("read_only", "tmpfs", "cap_drop", "security_opt", "init", "restart", "stop_grace_period", "networks")
DOMAIN = "example.test"
VARIABLES = {
    "DOMAIN": DOMAIN,
    # Here all images are made of this one, which is Debian with Python.
    "NGINX_BASE_IMAGE": os.environ.get("NGINX_BASE_IMAGE", "python:3.11-slim-bookworm"),
    "DOCKER_SOCKET": os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock",
}
"""What the tests fill the files in with, as a file .env would."""


def run_compose(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", *map(str, words)]
    variables = {**os.environ, **VARIABLES, **environment}
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)


def compose(*words: str | Path, profile: str = "engines", **environment: str) -> str:
    """What `docker compose --profile engines …` prints."""
    done = run_compose("--profile", profile, *words, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def whole(*files: Path, profile: str = "engines", **environment: str) -> dict[str, Any]:
    """The files as compose understands them, all defaults filled in."""
    words = [word for file in files for word in ("-f", file)]
    understood = compose(*words, "config", "--format", "json", profile=profile, **environment)
    found: dict[str, Any] = json.loads(understood)
    return found


def service(*files: Path, name: str = "faster-whisper", **environment: str) -> dict[str, Any]:
    """One service as compose understands it."""
    found: dict[str, Any] = whole(*files, **environment)["services"][name]
    return found


def own_place(http: int, https: int) -> dict[str, str]:
    """Variables that keep a stack out of the way of others: it has two ports of its own.

    Docker refuses networks that overlap, also those of other runs of these tests: so the port says which one it is.
    """
    block = f"10.{100 + http // 256}.{http % 256}"
    return {
        "HTTP_PORT": str(http),
        "HTTPS_PORT": str(https),
        "DOOR_SUBNET": f"{block}.8/29",
        "DOOR_NGINX": f"{block}.10",
        "DOOR_GATEWAY": f"{block}.11",
    }


def devices(service: dict[str, Any]) -> Any:
    return service["deploy"]["resources"]["reservations"]["devices"]


def inspected(project: str) -> dict[str, Any]:
    """The only container of a project."""
    client = docker.from_env()
    try:
        (container,) = client.containers.list(all=True, filters={"label": f"com.docker.compose.project={project}"})
        attributes: dict[str, Any] = container.attrs
        return attributes
    finally:
        client.close()
