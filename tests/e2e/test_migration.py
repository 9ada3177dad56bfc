"""What `whisper-gateway migrate` reads in compose files is what compose itself reads there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.migration.compose_folder import read_compose_folder

pytestmark = pytest.mark.docker

FILES = {
    "docker-compose.yml": """\
services:
  app: &app
    image: app
    container_name: ${NAME:-app}-1
    restart: "no"
    ports:
      - "127.0.0.1:${PORT:-9}:8000"
      - "8101-8103:9101-9103"
      - "[::1]:8201:22"
      - "8301:8300/udp"
      - {target: 80, published: "8401", protocol: tcp}
      - "5000"
  other:
    <<: *app
    container_name: "${NONE:-${NAME:?}}-2"
    ports: ["${EMPTY:-8501}:${NONE-1}"]
  alone:
    image: alone
    network_mode: host
    restart: unless-stopped
""",
    "docker-compose.override.yml": 'services: {app: {ports: ["8601:8600"], container_name: "${NAME}-9"}}\n',
    ".env": "# settings\nNAME=\"speech\"   # of the container\nPORT='8001'\nEMPTY=\n",
}


NAMED = [("docker-compose.yml", ""), ("docker-compose.yml", "name: chosen_name"), (".env", "COMPOSE_PROJECT_NAME=env")]


@pytest.fixture(params=NAMED)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What decides about the project's name is the folder, the file or the environment."""
    folder = tmp_path / "Whisper.faster_1"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    changed, line = request.param
    (folder / changed).write_text(f"{FILES[changed]}{line}\n")
    return folder


def as_compose(folder: Path) -> dict[str, Any]:
    command = ["docker", "compose", "--project-directory", str(folder), "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_names_and_ports_are_compose_s(folder: Path) -> None:
    theirs, ours = as_compose(folder), read_compose_folder(folder, {})
    assert ours.project == theirs["name"]
    assert {service.name for service in ours.services} == set(theirs["services"])
    for service in ours.services:
        facts = theirs["services"][service.name]
        ports = {
            int(port["published"]): port["target"]
            for port in facts.get("ports", [])
            if port["protocol"] == "tcp" and port.get("published")
        }
        assert dict(service.ports) == ports
        assert service.container == facts.get("container_name")
        assert service.restart == facts.get("restart", "")
        assert service.on_host_network == (facts.get("network_mode") == "host")
