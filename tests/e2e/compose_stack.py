"""The whole of compose.yaml in containers: built as shipped, created, brought up and taken down by the real compose."""

from __future__ import annotations

import contextlib
import io
import ssl
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import yaml
from docker.models.containers import Container

from tests.e2e.compose import CPU, DOMAIN, own_place, run_compose
from tests.e2e.conftest import ROOT
from tests.fixtures.authority import Authority
from tests.fixtures.docker import STANDIN_IMAGE, name_of_image
from tests.fixtures.nginx import Nearby
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports

WHISPER, WHISPERX = f"whisper.{DOMAIN}", f"whisperx.{DOMAIN}"
LOGIN = ("anna", "correct horse")
IMAGES = {name: name_of_image(name) for name in ("nginx", "gateway")}


class ComposeStack:
    """One project of the shipped file, with a certificate of the tests' authority for every hostname.

    Nothing is replaced but the names of images, the models, and the addresses: the faster engine has the small model,
    and in WhisperX's place is the stand-in engine. faster: the image of the faster engine.
    created, up: each service's status after `create`, and after `up`.
    """

    def __init__(self, folder: Path, faster: str) -> None:
        self.project = f"wg-test-{uuid.uuid4().hex[:8]}"
        self.http, self.https = free_ports(2)
        self.created: dict[str, str] = {}
        self.up: dict[str, str] = {}
        self._authority = Authority(folder / "authority")
        self._docker = docker.from_env()
        self._override = folder / "override.yaml"
        self._override.write_text(_override(faster, self.http, self.https))
        self._variables = own_place(self.http, self.https)
        self.gateway_address = self._variables["DOOR_GATEWAY"]

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker compose …`, as an operator types it."""
        files = ("-p", self.project, "-f", CPU, "-f", self._override)
        done = run_compose(*files, *words, **self._variables)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def bring_up(self) -> None:
        self("build", "nginx", "gateway")
        self("--profile", "engines", "create")
        self.created = self.statuses()
        self.install_certificate()
        self("up", "--detach")
        self.up = self.statuses()
        self.until_healthy("docker-proxy", "gateway", "nginx")
        self.run("nginx", "add-user", LOGIN[0], stdin=LOGIN[1])

    def tear_down(self) -> None:
        self("--profile", "engines", "down", "--volumes", "--timeout", "5")
        self._docker.close()

    # looking at it

    def container(self, service: str) -> Container:
        return self._docker.containers.get(f"{self.project}-{service}-1")

    def statuses(self) -> dict[str, str]:
        """By name: the images have compose's labels, and hand them down to what other tests make of them."""
        found = self._docker.containers.list(all=True, filters={"name": f"^/{self.project}-"}, ignore_removed=True)
        return {one.labels["com.docker.compose.service"]: one.status for one in found}

    def run(self, service: str, *command: str, stdin: str = "", user: str = "") -> str:
        """`docker compose exec`: what a command prints in a container; it must succeed."""
        words = ["docker", "exec", "--interactive", *(["--user", user] if user else [])]
        name = str(self.container(service).name)
        done = subprocess.run([*words, name, *command], input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def engine(self, name: str) -> dict[str, Any]:
        """What the gateway shows of it on its admin address, which is on its container's loopback alone."""
        show = f"import httpx; print(httpx.get('http://127.0.0.1:8891/api/engines/{name}').text)"
        shown: dict[str, Any] = yaml.safe_load(self.run("gateway", "python", "-c", show))
        return shown

    def until(self, name: str, phase: str) -> None:
        deadline = time.monotonic() + LONG_PATIENCE
        while (shown := self.engine(name))["phase"] != phase:
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)

    def until_healthy(self, *services: str) -> None:
        """By the health check's own command: Docker runs the first one after half a minute."""
        for service in services:
            container = self.container(service)
            command = container.attrs["Config"]["Healthcheck"]["Test"]
            assert command[0] == "CMD"
            deadline = time.monotonic() + LONG_PATIENCE
            while container.exec_run(command[1:]).exit_code != 0:
                assert time.monotonic() < deadline, container.logs().decode()
                time.sleep(0.1)

    @contextlib.contextmanager
    def client(self, host: str = WHISPER, **settings: Any) -> Iterator[httpx.Client]:
        """Speaks to nginx over TLS, under this hostname."""
        transport = Nearby(self.https, verify=self.tls())
        with httpx.Client(base_url=f"https://{host}", transport=transport, timeout=LONG_PATIENCE, **settings) as client:
            yield client

    def tls(self) -> ssl.SSLContext:
        return self._authority.context()

    def install_certificate(self) -> None:
        """A new one, where certbot puts it. Through a container that never runs: nginx's own may not write there."""
        made = self._authority.issue(DOMAIN, f"*.{DOMAIN}")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as packed:
            for path in (made.chain, made.key):
                packed.add(path, f"live/{DOMAIN}/{path.name}", filter=_as_roots)
        mounts = {f"{self.project}_certificates": {"bind": "/to", "mode": "rw"}}
        carrier = self._docker.containers.create(STANDIN_IMAGE, volumes=mounts)
        carrier.put_archive("/to", archive.getvalue())
        carrier.remove()


def _as_roots(file: tarfile.TarInfo) -> tarfile.TarInfo:
    file.uid = file.gid = 0
    file.mode = 0o600
    return file


def _override(faster: str, http: int, https: int) -> str:
    return f"""
services:
  nginx:
    image: {IMAGES["nginx"]}
    ports: !override ["127.0.0.1:{http}:80", "127.0.0.1:{https}:443"]
  docker-proxy:
    image: {IMAGES["nginx"]}
  gateway:
    image: {IMAGES["gateway"]}
  faster-whisper:
    image: {faster}
    volumes: ["{ROOT / "samples" / "models"}:/models:ro"]
    environment: {{WHISPER_MODEL: /models/micro-whisper, WHISPER_ALIASES: Systran/faster-whisper-small=micro-whisper}}
  whisperx:
    image: {STANDIN_IMAGE}
"""
