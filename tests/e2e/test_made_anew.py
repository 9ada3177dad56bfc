"""`docker compose create` replaces an engine's container, as in an upgrade: who asks meanwhile notices nothing."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import HOST
from tests.fixtures.docker import STANDIN_IMAGE
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess

pytestmark = pytest.mark.docker

REPLACED, CLIENTS = 2, 3
BODY = bytes(200_000)


class Compose:
    """A project with one service, `engine`."""

    def __init__(self, folder: Path) -> None:
        self.project = f"wg-test-{uuid.uuid4().hex[:12]}"
        self.name = f"{self.project}-own-name"
        self._file = folder / "compose.json"

    def create(self, version: int, **settings: Any) -> None:
        """Another version replaces the container that there is."""
        environment = {"READY_DELAY_MS": "100", "VERSION": str(version)}
        engine = {"image": STANDIN_IMAGE, "init": True, "environment": environment, **settings}
        self._file.write_text(json.dumps({"services": {"engine": engine}}))
        self("create")

    def __call__(self, *words: str) -> None:
        command = ["docker", "compose", "--project-name", self.project, "--file", str(self._file), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def compose(tmp_path: Path, standin_image: str) -> Iterator[Compose]:  # the image has to be there
    made = Compose(tmp_path)
    yield made
    made("down", "--timeout", "0")


@pytest.mark.parametrize("named", ["container", "service"])
def test_who_asks_while_the_container_is_made_anew_is_answered(compose: Compose, named: str, tmp_path: Path) -> None:
    settings = {"container_name": compose.name} if named == "container" else {}
    target = {"container": compose.name} if settings else {"project": compose.project, "service": "engine"}
    compose.create(0, **settings)
    gateway = GatewayProcess(tmp_path, {"engine": {"hosts": [HOST], "docker": target, "port": 8000}})
    over = threading.Event()

    def ask() -> Counter[str]:
        told: Counter[str] = Counter()
        with httpx.Client(base_url=gateway.url, headers={"Host": HOST}, timeout=LONG_PATIENCE) as client:
            while not over.is_set():
                for answer in (client.get("/slow?ms=50"), client.post("/sum", content=BODY)):
                    told[f"{answer.status_code} {answer.text if answer.is_error else ''}"] += 1
        return told

    with closing(gateway), concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        gateway.start()
        asking = [pool.submit(ask) for _ in range(CLIENTS)]
        try:
            for version in range(1, REPLACED + 1):
                compose.create(version, **settings)
                gateway.until("engine", phase="ready", failures=0)
        finally:
            over.set()
        told = sum((asked.result() for asked in asking), Counter[str]())
    assert set(told) == {"200 "}
    assert gateway.events("engine.failed") == []
