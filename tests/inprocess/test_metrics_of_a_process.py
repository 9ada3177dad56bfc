"""Each metric moves when what it counts happens: a gateway process, real engines, and what Prometheus reads."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import STANDIN

MIB = 1024 * 1024


class Watched(GatewayProcess):
    """A gateway and what it tells Prometheus. go: a file that an engine may wait for, see the stand-in's START_WHEN."""

    def __init__(self, folder: Path, engines: dict[str, Any], **settings: Any) -> None:
        super().__init__(folder, engines, **settings)
        self.go = folder / "go"

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        page = self._client.get("/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == f"whisper_gateway_{name}" and labels.items() <= sample.labels.items()
        )

    def becomes(self, wanted: Callable[[float], bool] | float, name: str, **labels: str) -> float:
        """Waits until the value is as wanted: a request is counted after its client has the answer."""
        deadline = time.monotonic() + LONG_PATIENCE
        while True:
            value = self.value(name, **labels)
            if wanted(value) if callable(wanted) else value == wanted:
                return value
            assert time.monotonic() < deadline, f"{name} {labels} stays {value}"
            time.sleep(0.01)

    def get(self, path: str, engine: str = "whisper", **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"host": f"{engine}.test"}, timeout=LONG_PATIENCE, **options)


@contextmanager
def running(folder: Path, engines: dict[str, dict[str, Any]], **settings: Any) -> Iterator[Watched]:
    """Engines that are processes of the stand-in, as the test says."""
    ports = free_ports(len(engines))
    whole = {}
    for (name, spec), port in zip(engines.items(), ports, strict=True):
        words = spec.pop("words", [])
        command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", *words]
        whole[name] = {"hosts": [f"{name}.test"], "process": {"command": command}, "port": port, **spec}
    gateway = Watched(folder, whole, **settings)
    gateway.start()
    try:
        yield gateway
    finally:
        for name in engines:
            gateway.post(f"/api/engines/{name}/sleep?force=true&wait=true")
        gateway.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One engine with one seat and one place to wait, which wakes when it is told, and one that cannot start."""
    folder = tmp_path_factory.mktemp("metrics")
    told = {"concurrency": 1, "queue": {"limit": 1}, "words": [f"START_WHEN={folder}/go"], "answer_timeout": "5s"}
    broken = {"words": ["EXIT_AFTER_MS=1"]}
    with running(folder, {"whisper": told, "broken": broken}) as one:
        yield one


@pytest.fixture
def own(shared: Watched) -> Watched:
    """The engine is awake and at rest."""
    shared.go.touch()
    shared.post("/api/engines/whisper/wake?wait=true")
    shared.until("whisper", phase="ready", serving=0, waiting=0)
    return shared


def test_a_wake_counts_with_all_its_stages_and_the_upload_meanwhile_is_in_the_spool(shared: Watched) -> None:
    body = b"x" * MIB
    answers: list[httpx.Response] = []

    def upload() -> None:
        url, headers = f"{shared.url}/echo", {"host": "whisper.test"}
        answers.append(httpx.post(url, headers=headers, content=body, timeout=LONG_PATIENCE))

    began = time.monotonic()
    thread = threading.Thread(target=upload)
    thread.start()
    shared.until_logged("engine.waking")
    waking = time.monotonic()
    shared.becomes(MIB, "spool_bytes")
    shared.becomes(1, "queue_requests", engine="whisper")
    assert shared.value("queue_bytes", engine="whisper") == MIB
    assert shared.value("engine_phase", engine="whisper", phase="waking") == 1
    least = time.monotonic() - waking
    shared.go.touch()
    thread.join()
    most = time.monotonic() - began
    assert answers[0].content == body
    shared.becomes(1, "requests_total", engine="whisper", status="200")
    shared.becomes(0, "spool_bytes")
    assert shared.value("spool_limit_bytes") == 4 * 1024 * MIB
    assert shared.value("wakes_total", engine="whisper", outcome="ready") == 1
    for stage in ("start", "ready", "first_byte"):
        assert shared.value("wake_seconds_count", engine="whisper", stage=stage) == 1, stage
    took = shared.value("wake_seconds_sum", engine="whisper")
    waited = shared.value("queue_wait_seconds_sum", engine="whisper")
    assert shared.value("queue_wait_seconds_count", engine="whisper") == 1
    assert least < took < LONG_PATIENCE
    assert least < waited < most
    assert waited < shared.value("request_seconds_sum", engine="whisper") < LONG_PATIENCE
    for phase, cause in (("waking", "RequestArrived"), ("ready", "BecameReady")):
        assert shared.value("engine_phase_changes_total", engine="whisper", phase=phase, cause=cause) == 1


def test_a_full_queue_counts_who_was_sent_away(own: Watched) -> None:
    before = own.value("refusals_total", engine="whisper", code="queue_full")
    with RawClient(own.port) as first, RawClient(own.port) as second:
        for number, client in enumerate((first, second)):
            client.get("/sse?n=0")
            own.becomes(number, "queue_requests", engine="whisper")
            own.becomes(1, "leases", engine="whisper")
        assert own.get("/hello").status_code == 429
        own.becomes(before + 1, "refusals_total", engine="whisper", code="queue_full")
        assert own.value("requests_total", engine="whisper", status="429") >= 1
        gone = own.value("clients_gone_total", engine="whisper")
    own.becomes(gone + 2, "clients_gone_total", engine="whisper")
    assert own.value("requests_total", engine="whisper", status="none") >= 2


def test_an_engine_that_dies_counts_as_replayed_and_broken(own: Watched) -> None:
    replays = own.value("replays_total", engine="whisper")
    broken = own.value("upstream_errors_total", engine="whisper", error="engine_broke")
    assert own.get("/die").status_code == 502
    own.becomes(replays + 1, "replays_total", engine="whisper")
    own.becomes(broken + 2, "upstream_errors_total", engine="whisper", error="engine_broke")
    own.until_left("whisper", "ready")  # the next test wakes it: not before it is known to be dead


@pytest.mark.parametrize(("path", "error"), [("/cut?when=body", "answer_cut"), ("/stall", "engine_answer_timeout")])
def test_an_engine_that_fails_a_request_counts_by_how(own: Watched, path: str, error: str) -> None:
    before = own.value("upstream_errors_total", engine="whisper", error=error)
    told = ""
    try:
        told = own.get(path).text
    except httpx.RemoteProtocolError as cut:
        told = f"answer_cut: {cut}"
    assert error in told
    own.becomes(before + 1, "upstream_errors_total", engine="whisper", error=error)


def test_an_engine_that_cannot_be_woken_counts(shared: Watched) -> None:
    assert shared.get("/hello", "broken").status_code == 503
    shared.becomes(1, "wakes_total", engine="broken", outcome="failed")
    while shared.value("engine_phase", engine="broken", phase="failed") != 1:  # its rest is over; the next is longer
        shared.get("/hello", "broken")
    shared.becomes(lambda count: count >= 1, "refusals_total", engine="broken", code="engine_start_failed")


def test_strangers_count_without_an_engine(shared: Watched) -> None:
    shared.get("/", "stranger")
    shared.becomes(1, "refusals_total", engine="", code="unknown_host")


def test_a_wake_that_is_called_off_counts(own: Watched) -> None:
    own.post("/api/engines/whisper/sleep?force=true&wait=true")
    own.go.unlink()
    before = own.value("wakes_total", engine="whisper", outcome="called_off")
    own.post("/api/engines/whisper/wake")
    own.post("/api/engines/whisper/sleep?wait=true")
    own.becomes(before + 1, "wakes_total", engine="whisper", outcome="called_off")


def test_a_reload_counts_and_says_whether_the_file_is_valid(shared: Watched) -> None:
    whole = shared.config.read_text()
    read_at = shared.value("config_last_reload_success_timestamp_seconds")
    assert (time.time() - 600 < read_at < time.time(), shared.value("config_last_reload_successful")) == (True, 1)
    shared.config.write_text("engines: 7\n")
    shared.post("/api/reload")
    shared.becomes(lambda count: count >= 1, "config_reloads_total", ok="false")
    assert shared.value("config_last_reload_successful") == 0
    assert shared.value("config_last_reload_success_timestamp_seconds") == read_at
    changed = yaml.safe_load(whole)
    changed["engines"]["broken"]["queue"] = {"limit": 5}
    changed["engines"]["third"] = {**changed["engines"]["broken"], "hosts": ["third.test"], "port": free_ports(1)[0]}
    shared.config.write_text(yaml.safe_dump(changed))
    shared.post("/api/reload")
    shared.becomes(lambda count: count >= 1, "config_reloads_total", ok="true")
    shared.becomes(1, "config_last_reload_successful")
    assert shared.value("config_last_reload_success_timestamp_seconds") > read_at
    assert shared.value("queue_limit_requests", engine="broken") == 5
    assert shared.value("engine_phase", engine="third", phase="asleep") == 1
    shared.config.write_text(whole)
    shared.post("/api/reload")
    shared.becomes(0, "engine_phase", engine="third", phase="asleep")


def test_who_is_served_on_by_an_engine_that_was_changed_is_still_counted(own: Watched) -> None:
    whole = own.config.read_text()
    changed = yaml.safe_load(whole)
    changed["engines"]["whisper"]["process"]["command"].append("LOG_LINES=1")
    with RawClient(own.port) as client:
        client.get("/sse?n=0")
        own.becomes(1, "leases", engine="whisper")
        own.config.write_text(yaml.safe_dump(changed))
        own.post("/api/reload")
        own.becomes(1, "engine_phase", engine="whisper", phase="asleep")
        assert own.value("leases", engine="whisper") == 1
    own.becomes(0, "leases", engine="whisper")
    own.config.write_text(whole)
    own.post("/api/reload")


def test_a_gateway_that_comes_back_counts_what_it_adopts(tmp_path: Path) -> None:
    with running(tmp_path, {"whisper": {}}) as gateway:
        gateway.get("/hello")
        gateway.kill()
        gateway.start()
        gateway.becomes(1, "wakes_total", engine="whisper", outcome="adopted")
        assert gateway.value("wakes_total", engine="whisper") == 1
        assert gateway.value("wake_seconds_count", engine="whisper", stage="start") == 0


def test_a_budget_is_shown_with_what_engines_need_and_how_they_make_room(tmp_path: Path) -> None:
    """Of two engines one fits."""
    engines: dict[str, dict[str, Any]] = {name: {"needs": {"memory": "3m"}} for name in ("one", "two")}
    with running(tmp_path, engines, budget={"memory": "4m", "turn": "100ms"}) as gateway:
        gateway.get("/hello", "one")
        gateway.get("/hello", "two")
        gateway.becomes(1, "requests_total", engine="two", status="200")
        assert gateway.value("evictions_total", engine="one") == 1
        assert gateway.value("evictions_total") == 1
        assert gateway.value("engine_phase", engine="one", phase="asleep") == 1
        assert gateway.value("wake_seconds_count", stage="queue") == 2
        assert 0 < gateway.value("wake_seconds_sum", engine="two", stage="queue") < LONG_PATIENCE
        assert gateway.value("budget_bytes", resource="memory") == 4 * MIB
        assert gateway.value("engine_needs_bytes", engine="two", resource="memory") == 3 * MIB
