"""What concerns all engines together, in a real gateway with local programs: budget, warm hours, preloading."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.app import create_app
from gateway.config import Config
from gateway.config.schema import EngineSpec
from gateway.runtimes.base import Address
from gateway.runtimes.memory import MemoryRuntime
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN

Make = Callable[..., GatewayProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Starts a gateway with stand-ins of these names and settings."""
    made: list[GatewayProcess] = []

    def make(budget: dict[str, Any] | None = None, **engines: dict[str, Any]) -> GatewayProcess:
        command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1"]
        entries = {
            name: {"hosts": [f"{name}.test"], "process": {"command": command}, "port": port, **settings}
            for (name, settings), port in zip(engines.items(), free_ports(len(engines)), strict=True)
        }
        gateway = GatewayProcess(tmp_path, entries, budget=budget, on_exit="stop")
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.stop()
        gateway.close()


def ask(gateway: GatewayProcess, name: str) -> int:
    return httpx.get(f"{gateway.url}/hello", headers={"host": f"{name}.test"}, timeout=LONG_PATIENCE).status_code


def reloaded(gateway: GatewayProcess, **sections: Any) -> None:
    """With these sections of the file changed; None takes one out."""
    data = {**yaml.safe_load(gateway.config.read_text()), **sections}
    gateway.config.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    assert gateway.post("/api/reload").status_code == 200


def test_engines_are_preloaded_and_kept_warm_without_any_request(make: Make) -> None:
    gateway = make(
        preloaded={"preload": True},
        warm={"keep_warm": ["always"], "idle_after": "50ms"},
        cold={},
    )
    gateway.until("preloaded", phase="ready")
    gateway.until("warm", phase="ready", warm=True, idle_in=None)
    assert gateway.engine("cold")["phase"] == "asleep"
    assert gateway.post("/api/engines/warm/sleep?wait=true").status_code == 200
    assert ask(gateway, "warm") == 200
    gateway.until("warm", phase="asleep", warm=False)  # an operator's sleep counts, until its next hours begin


def test_where_not_all_fit_one_is_kept_warm_and_the_others_take_its_place_when_they_are_asked_for(make: Make) -> None:
    needs = {"needs": {"memory": "3g"}}
    gateway = make(
        {"memory": "4g", "turn": "200ms"}, warm={**needs, "keep_warm": ["always"]}, other={**needs, "idle_after": "1s"}
    )
    gateway.until("warm", phase="ready")
    with httpx.stream("GET", f"{gateway.url}/sse?n=0", headers={"host": "other.test"}, timeout=LONG_PATIENCE) as answer:
        assert answer.status_code == 200
        gateway.until("warm", phase="queued")
    gateway.until("other", phase="asleep")
    gateway.until("warm", phase="ready")
    metrics = httpx.get(f"{gateway.admin_url}/metrics", timeout=LONG_PATIENCE).text
    assert 'whisper_gateway_evictions_total{engine="warm"} 1.0' in metrics


@pytest.mark.anyio
async def test_a_reload_that_fails_half_way_leaves_the_budget_as_it_was(tmp_path: Path) -> None:
    def runtime_for(name: str, spec: EngineSpec) -> MemoryRuntime:
        if name == "broken":
            raise ZeroDivisionError("a mistake of ours")
        return MemoryRuntime(Address("127.0.0.1", spec.port))

    def config(memory: str, *names: str) -> Config:
        engine = {"process": {"command": ["x"]}, "needs": {"memory": "1g"}}
        ports = enumerate(names, start=8000)
        engines = {name: {**engine, "hosts": [f"{name}.test"], "port": port} for port, name in ports}
        gateway = {"state_dir": str(tmp_path)}
        return Config.model_validate({"gateway": gateway, "engines": engines, "budget": {"memory": memory}})

    app = create_app(config("2g", "one"), runtime_for=runtime_for)
    with pytest.raises(ZeroDivisionError):
        app.apply(config("3g", "one", "broken"))
    assert repr(app.housekeeping.steward) == f"<Steward of {{'memory': {2 * 1024**3}}} asking=[]>"
    assert app.config == config("2g", "one")


def test_a_budget_that_a_reload_brings_changes_or_takes_away_counts_for_engines_that_have_not_changed(
    make: Make,
) -> None:
    needs = {"needs": {"memory": "3g"}}
    gateway = make(one=needs, two=needs)
    assert [ask(gateway, name) for name in ("one", "two")] == [200, 200]
    reloaded(gateway, budget={"memory": "4g", "turn": "1ms"})
    assert [gateway.engine(name)["phase"] for name in ("one", "two")] == ["ready", "ready"], "nobody waits for room"
    gateway.post("/api/engines/one/sleep?wait=true")
    assert ask(gateway, "one") == 200
    gateway.until("two", phase="asleep")
    reloaded(gateway, budget={"memory": "8g"})
    assert ask(gateway, "two") == 200
    assert gateway.engine("one")["phase"] == "ready"
    reloaded(gateway, budget={"memory": "3g", "turn": "10m"})
    for name in ("one", "two"):
        gateway.post(f"/api/engines/{name}/sleep?wait=true")
    assert ask(gateway, "one") == 200
    gateway.post("/api/engines/two/wake")
    gateway.until("two", phase="queued")
    reloaded(gateway, budget=None)
    gateway.until("two", phase="ready")
