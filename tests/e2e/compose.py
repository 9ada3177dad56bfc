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
HARDENING = ("read_only", "tmpfs", "cap_drop", "security_opt", "init", "restart", "stop_grace_period")


def compose(*words: str | Path, profile: str = "engines", **environment: str) -> str:
    """What `docker compose --profile engines …` prints."""
    command = ["docker", "compose", "--profile", profile, *map(str, words)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def service(*files: Path, profile: str = "engines", **environment: str) -> dict[str, Any]:
    """The one engine of this profile as compose understands it, all defaults filled in."""
    words = [word for file in files for word in ("-f", file)]
    found: dict[str, Any] = json.loads(compose(*words, "config", "--format", "json", profile=profile, **environment))
    (engine,) = found["services"].values()
    return engine  # type: ignore[no-any-return]


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
