"""A changed configuration under load: no request is refused, cut off or answered by an engine that is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import yaml

from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN


def stand_in(port: int, *settings: str, **more: Any) -> dict[str, Any]:
    command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", *settings]
    return {"hosts": ["whisper.test"], "process": {"command": command}, "port": port, **more}


class Load:
    """Requests one after another, from several clients; each new connection may meet another configuration."""

    def __init__(self, gateway: GatewayProcess, clients: int = 3) -> None:
        self._gateway = gateway
        self._over = threading.Event()
        self.answers: list[int] = []
        self.failures: list[object] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with httpx.Client(
                    base_url=self._gateway.url, headers={"host": "whisper.test"}, timeout=LONG_PATIENCE
                ) as client:
                    for _ in range(20):
                        answer = client.post("/echo", content=b"x" * 1000)
                        self.answers.append(answer.status_code)
                        if answer.status_code != 200:
                            self.failures.append((answer.status_code, answer.text))
            except httpx.HTTPError as error:
                self.failures.append(error)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(LONG_PATIENCE)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """With one stand-in, which is awake."""
    (port,) = free_ports(1)
    gateway = GatewayProcess(tmp_path, {"whisper": stand_in(port)}, on_exit="stop")
    gateway.start()
    ask(gateway)
    yield gateway
    if gateway.process is not None and gateway.process.poll() is None:
        gateway.stop()
    gateway.close()


def ask(gateway: GatewayProcess, host: str = "whisper.test", path: str = "/instance") -> str:
    answer = httpx.get(f"{gateway.url}{path}", headers={"host": host}, timeout=LONG_PATIENCE)
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


def changed(gateway: GatewayProcess, change: Callable[[dict[str, Any]], None]) -> str:
    data = yaml.safe_load(gateway.config.read_text())
    change(data)
    return yaml.safe_dump(data)


def reloads(gateway: GatewayProcess, count: int) -> dict[str, Any]:
    """Waits until the configuration has been reloaded so often; what the last reload changed."""
    gateway._until(lambda: len(gateway.events("config.reloaded")) >= count, f"{count} reloads")
    return gateway.events("config.reloaded")[count - 1]


def idle_for(seconds: int) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["engines"]["whisper"].update(idle_after=seconds)


def test_a_file_that_is_written_in_place_replaced_or_announced_by_sighup_counts_at_once(
    gateway: GatewayProcess,
) -> None:
    instance = ask(gateway)
    with Load(gateway) as load:
        gateway.config.write_text(changed(gateway, idle_for(100)))
        assert reloads(gateway, 1)["changed"] == ["whisper"]
        new = gateway.config.with_suffix(".new")  # as editors do
        new.write_text(changed(gateway, idle_for(200)))
        new.replace(gateway.config)
        assert reloads(gateway, 2)["changed"] == ["whisper"]
        gateway.config.write_text(changed(gateway, idle_for(300)))  # in place, once more: it is another file now
        assert reloads(gateway, 3)["changed"] == ["whisper"]
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        assert reloads(gateway, 4)["cause"] == "SIGHUP"
        assert ask(gateway) == instance, "the engine was touched"
    assert load.failures == []
    assert load.answers
    gateway.until("whisper", serving=0)
    assert 200 < gateway.engine("whisper")["idle_in"] <= 300


def test_a_file_with_problems_changes_nothing_and_says_why(gateway: GatewayProcess) -> None:
    with Load(gateway) as load:
        gateway.config.write_text(gateway.config.read_text() + "nonsense: 1\n")
        problem = gateway.until_logged("config.invalid")["problem"]
        assert 'unknown setting "nonsense"' in problem
        answer = gateway.post("/api/reload")
        assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
        assert answer.json()["detail"] == problem
        told = command(gateway)
        assert told.returncode == 1
        assert problem in told.stderr
    assert load.failures == []
    assert gateway.events("config.reloaded") == []


def command(gateway: GatewayProcess) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "whisper-gateway"
    words = [str(program), "reload", "--admin", gateway.admin_url.removeprefix("http://")]
    return subprocess.run(words, capture_output=True, text=True, timeout=LONG_PATIENCE, check=False)


def test_an_engine_that_is_run_another_way_takes_over_without_losing_a_request(gateway: GatewayProcess) -> None:
    (port,) = free_ports(1)
    before = ask(gateway)
    with Load(gateway) as load:
        gateway.config.write_text(changed(gateway, lambda data: data["engines"].update(whisper=stand_in(port))))
        assert reloads(gateway, 1)["changed"] == ["whisper"]
        gateway.until_logged("engine.retired", engine="whisper")
        assert ask(gateway) != before
    assert load.failures == []


def test_a_removed_engine_serves_whom_it_has_and_its_hostname_is_gone(gateway: GatewayProcess) -> None:
    (port,) = free_ports(1)
    other = stand_in(port) | {"hosts": ["other.test"]}
    url = f"{gateway.url}/sse?n=0&interval_ms=100"
    with httpx.stream("GET", url, headers={"host": "whisper.test"}, timeout=LONG_PATIENCE) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        gateway.config.write_text(changed(gateway, lambda data: data.update(engines={"other": other})))
        line = reloads(gateway, 1)
        assert (line["added"], line["changed"], line["removed"]) == (["other"], [], ["whisper"])
        assert httpx.get(gateway.url, headers={"host": "whisper.test"}, timeout=LONG_PATIENCE).status_code == 404
        ask(gateway, "other.test")
        assert gateway.events("engine.retired") == []
        assert all(next(lines) for _ in range(20)), "which come now, or waited to be read"
    gateway.until_logged("engine.retired", engine="whisper")


def test_the_command_says_what_has_changed(gateway: GatewayProcess) -> None:
    done = command(gateway)
    assert (done.returncode, done.stdout) == (0, "reloaded: no engine has changed\n")
    (port,) = free_ports(1)
    other = stand_in(port) | {"hosts": ["other.test"]}
    gateway.config.write_text(changed(gateway, lambda data: data["engines"].update(other=other)))
    done = command(gateway)
    assert done.returncode == 0
    assert done.stdout in ("reloaded: other added\n", "reloaded: no engine has changed\n")  # it was noticed before
    gateway.until("other", phase="asleep")


def test_what_takes_a_restart_is_refused_as_a_whole(gateway: GatewayProcess) -> None:
    def change(data: dict[str, Any]) -> None:
        data["gateway"].update(head_limit=2048)
        idle_for(100)(data)

    gateway.config.write_text(changed(gateway, change))
    assert gateway.until_logged("config.invalid")["problem"].endswith(
        "gateway.head_limit: restart the gateway to change this"
    )
    assert gateway.events("config.reloaded") == []
