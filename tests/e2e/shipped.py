"""The whole of compose.yaml, as those see it who operate it and those who use it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.e2e.compose import DOMAIN
from tests.e2e.compose_stack import WHISPERX, ComposeStack
from tests.e2e.conftest import FASTER_IMAGE, ROOT
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.raw_client import RawClient

MEETINGS = f"meetings.{DOMAIN}"
STANDIN_SLEEPS_AFTER = "2s"
_CHANGES = {
    '    #cors: ["https://www.example.org"]': f'    cors: ["https://{WHISPERX}"]',
    "    #idle_after: 30m": f"    idle_after: {STANDIN_SLEEPS_AFTER}",
}
"""To the shipped config/config.yaml: under `whisper`, and under `whisperx`, in whose place the stand-in engine is."""

_CLEAR_LINE = "\x1b[2K"
"""Which compose writes before the first line, also into files."""


class Shipped(ComposeStack):
    """What an operator has after docs/deploy.md, and does with it. The stand-in engine falls asleep after two seconds,
    and web pages that it serves may use the engine `whisper`.

    certificate: the authority's, for clients that read it from a file. config: the gateway's configuration. elsewhere:
    the name of a container that the engine `meetings` is to be, and that is no part of the project; see `other_engine`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, FASTER_IMAGE)
        self.elsewhere = f"{self.project}-elsewhere"
        self.config = folder / "config" / "config.yaml"
        self.config.parent.mkdir()
        self.config.write_text(_config(self.elsewhere))
        self._variables |= {"CONFIG": str(self.config.parent), "ENGINE_CONTAINERS": self.elsewhere}
        self.certificate = self._authority.certificate

    # the operator

    def keys(self, *words: str) -> str:
        """`docker compose exec gateway whisper-gateway keys …`, and what it prints to standard output."""
        return self("exec", "--no-TTY", "gateway", "whisper-gateway", "keys", *words).stdout

    @contextlib.contextmanager
    def key(self, name: str, *words: str) -> Iterator[str]:
        """A key that is revoked in the end. words: options of `keys create`."""
        made = self.keys("create", "--name", name, *words).strip()
        try:
            yield made
        finally:
            self.keys("revoke", name)

    def sleep(self, name: str) -> None:
        self.run("gateway", "whisper-gateway", "sleep", "--force", name)
        self.until(name, "asleep")

    def logs(self, service: str) -> list[str]:
        """`docker compose logs`, without the service's name and number in front of each line."""
        return self("logs", "--no-log-prefix", service).stdout.replace(_CLEAR_LINE, "").splitlines()

    def until_logged(self, service: str, *words: str) -> str:
        """The first line with all these words; containers' logs come a moment late."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [line for line in self.logs(service) if all(word in line for word in words)]
            return bool(found)

        until(there, f"{words} in the log of {service}")
        return found[0]

    def edit(self, script: str) -> None:
        """Changes the configuration as editors do: a new file takes the place of the old one."""
        before = self.config.stat().st_ino
        subprocess.run(["sed", "--in-place", script, self.config], check=True)
        assert self.config.stat().st_ino != before

    # clients, beside `client`

    def raw(self, host: str) -> RawClient:
        """A TLS connection for any bytes, in HTTP/1.1."""
        client = RawClient(self.https)
        context = self.tls()
        context.set_alpn_protocols(["http/1.1"])
        client.socket = context.wrap_socket(client.socket, server_hostname=host)
        return client

    # another engine

    @contextlib.contextmanager
    def other_engine(self, image: str, **settings: Any) -> Iterator[Container]:
        """Creates the container `elsewhere`, beside the project, in the network of its engines."""
        made = self._docker.containers.create(image, name=self.elsewhere, network=f"{self.project}_engines", **settings)
        try:
            yield made
        finally:
            made.remove(force=True, v=True)

    # what it costs

    def peak(self, service: str) -> int:
        """The most memory (bytes) that one of a container's processes has ever had, without files of others."""
        statuses = self.run(service, "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true", user="root")
        return max(int(line.split()[1]) * 1024 for line in statuses.splitlines() if line.startswith("VmHWM:"))

    def temporary(self, service: str) -> int:
        """Bytes in /tmp, which is memory."""
        return int(self.run(service, "du", "--summarize", "--bytes", "/tmp", user="root").split()[0])


def _config(elsewhere: str) -> str:
    text = (ROOT / "config" / "config.yaml").read_text()
    for shipped, ours in _CHANGES.items():
        assert text.count(shipped) == 1
        text = text.replace(shipped, ours)
    meetings = f"{{hosts: [{MEETINGS}], docker: {{container: {elsewhere}}}, port: 8000, start_timeout: 3m}}"
    return f"{text}  meetings: {meetings}\n"


def until(there: Callable[[], bool], what: str, within: float = LONG_PATIENCE) -> None:
    """Neither Docker nor another process tells us, so it is looked at again and again, with a deadline."""
    deadline = time.monotonic() + within
    while not there():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
