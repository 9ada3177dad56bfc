"""An ACME authority (pebble), and compose.yaml on a machine to which hostnames lead."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.e2e.compose import CPU, DOMAIN, VARIABLES, own_place, run_compose
from tests.e2e.conftest import ROOT
from tests.fixtures.authority import Authority
from tests.fixtures.docker import STANDIN_IMAGE, name_of_image
from tests.fixtures.nginx import Nearby, reloaded, reloads
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports

CERTBOT, ACME, NGINX = (name_of_image(name) for name in ("certbot", "acme", "nginx"))
HOSTS = [f"{name}.{DOMAIN}" for name in ("whisper", "whisperx", "portal")]
LATER, ELSEWHERE = f"later.{DOMAIN}", f"elsewhere.{DOMAIN}"
"""LATER leads to nginx and is in no configuration yet; ELSEWHERE leads to a machine without a web server."""
DIRECTORY, OTHER_DIRECTORY = "https://pebble:14000/dir", "https://other-pebble:14000/dir"


def build_images() -> None:
    base = VARIABLES["NGINX_BASE_IMAGE"]
    _build(CERTBOT, "-f", "packaging/certbot/Dockerfile", f"--build-arg=BASE_IMAGE={base}", ".")
    _build(ACME, "-f", "tests/e2e/acme.Dockerfile", f"--build-arg=CERTBOT={CERTBOT}", "tests/e2e")


def _build(image: str, *words: str) -> None:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    command = ["docker", "build", "--quiet", "-t", image, *words]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def write_pebble(folder: Path, *names: str, http_port: int = 80) -> None:
    """What pebble reads: its configuration, and a certificate of its own under these names."""
    authority = Authority(folder)
    own = authority.issue(*names, folder=folder / "own")
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": f"/pebble/own/{own.chain.name}",
        "privateKey": f"/pebble/own/{own.key.name}",
        "httpPort": http_port,
        "tlsPort": 443,
        "certificateValidityPeriod": 90 * 86400,
    }
    (folder / "config.json").write_text(json.dumps({"pebble": settings}))


PEBBLE = {
    "PEBBLE_VA_NOSLEEP": "1",
    "PEBBLE_AUTHZREUSE": "0",  # each certificate asks for its own challenges
    "PEBBLE_WFE_NONCEREJECT": "0",
}


class Shown(NamedTuple):
    """What tells one certificate from another."""

    serial: str
    names: tuple[str, ...]


class Vps:
    """A fresh machine with compose.yaml. Certificates do not concern the gateway: the stand-in engine is in its place.

    The service certbot looks every two seconds instead of twice a day.
    """

    def __init__(self, folder: Path) -> None:
        self.project = f"wg-acme-{uuid.uuid4().hex[:8]}"
        self.http, self.https, self._management = free_ports(3)
        self.config = folder / "config" / "config.yaml"
        self.config.parent.mkdir()
        self.config.write_text((ROOT / "config" / "config.yaml").read_text())
        write_pebble(folder / "pebble", "pebble", "other-pebble")
        self._pebble = ssl.create_default_context(cafile=folder / "pebble" / "authority.pem")
        self._override = folder / "override.yaml"
        place = own_place(self.http, self.https)
        self._override.write_text(self._overriding(folder / "pebble", f"{place['DOOR_SUBNET'].rpartition('.')[0]}.12"))
        self._variables = {
            **place,
            "CONFIG": str(self.config.parent),
            "ACME_SERVER": DIRECTORY,
            "COMPOSE_PROFILES": "certificates",
        }
        self.roots: ssl.SSLContext | None = None
        self._reloads = 0

    def __call__(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """`docker compose …`, as an operator types it."""
        files = ("-p", self.project, "-f", CPU, "-f", self._override)
        done = run_compose(*files, *words, **{**self._variables, **variables})
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def certificate(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """The script of this name, in a container made for it."""
        return self("run", "--rm", "--no-deps", "-T", "certbot", *words, check=check, **variables)

    def logs(self, service: str) -> str:
        return self("logs", "--no-log-prefix", service).stdout

    def trust_pebble(self) -> None:
        """Its root is another one at each start."""
        url = f"https://127.0.0.1:{self._management}/roots/0"
        with httpx.Client(verify=self._pebble, timeout=LONG_PATIENCE) as client:
            deadline = time.monotonic() + LONG_PATIENCE
            while True:
                with contextlib.suppress(httpx.TransportError):
                    root = client.get(url, extensions={"sni_hostname": "pebble"}).text
                    break
                assert time.monotonic() < deadline, self.logs("pebble")
                time.sleep(0.05)
        self.roots = ssl.create_default_context(cadata=root)

    def client(self, host: str = HOSTS[0]) -> httpx.Client:
        """Believes in pebble's certificates and in no others."""
        assert self.roots is not None
        transport = Nearby(self.https, verify=self.roots)
        return httpx.Client(
            base_url=f"https://{host}",
            transport=transport,
            timeout=LONG_PATIENCE,
            headers={"Authorization": "Bearer key"},
        )

    def shown(self, host: str = HOSTS[0]) -> Shown:
        """The certificate that nginx shows for a name. Raises ssl.SSLError while it is none of pebble's."""
        assert self.roots is not None
        with (
            socket.create_connection(("127.0.0.1", self.https), LONG_PATIENCE) as sock,
            self.roots.wrap_socket(sock, server_hostname=host) as client,
        ):
            found: dict[str, Any] | None = client.getpeercert()
        assert found is not None
        names = [value for kind, value in found["subjectAltName"] if kind == "DNS"]
        return Shown(found["serialNumber"], tuple(sorted(names)))

    def until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LONG_PATIENCE
        while True:
            with contextlib.suppress(OSError):
                if there():
                    return
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.logs('certbot')}{self.logs('nginx')}"
            time.sleep(0.05)

    def until_shown(self, there: Callable[[Shown], bool], what: str) -> None:
        """Until nginx shows such a certificate to everybody, also to who meets a worker from before the reload."""
        self.until(lambda: there(self.shown()), what)
        self.until(lambda: reloaded(self.logs("nginx"), self._reloads), "end of the workers before")
        self._reloads = reloads(self.logs("nginx"))

    def _overriding(self, pebble: Path, address: str) -> str:
        return f"""
services:
  nginx:
    image: {NGINX}
    ports: !override ["127.0.0.1:{self.http}:80", "127.0.0.1:{self.https}:443"]
    networks: {{door: {{aliases: {json.dumps([*HOSTS, LATER])}}}}}
  gateway:
    image: {STANDIN_IMAGE}
    environment: {{PORT: "8890"}}
  certbot:
    image: {CERTBOT}
    environment: {{REQUESTS_CA_BUNDLE: /pebble/authority.pem, LOOK_EVERY: 2s, RETRY_AFTER: 2s}}
    volumes: ["{pebble}:/pebble:ro"]
  pebble:
    image: {ACME}
    init: true
    environment: {json.dumps(PEBBLE)}
    volumes: ["{pebble}:/pebble:ro"]
    ports: ["127.0.0.1:{self._management}:15000"]
    networks:
      door: {{ipv4_address: {address}, aliases: [{ELSEWHERE}]}}
      default: {{aliases: [other-pebble, {ELSEWHERE}]}}
"""
