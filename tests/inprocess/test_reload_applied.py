"""What a new configuration means for the next request, on connections that were open before, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.config import Config
from gateway.lifecycle.phases import Phase
from gateway.supervision.fleet import Changes
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn


@pytest.fixture
def gateway(standin: StandIn) -> Iterator[Gateway]:
    with running_gateway({"whisper": Engine(standin.port), "other": Engine(0)}, portal="portal.test") as one:
        yield one


def reconfigured(gateway: Gateway, *, engines: dict[str, Any] | None = None, **settings: Any) -> Changes:
    """As if the file said this now; engines: what is said of whisper, the rest stays."""
    config = gateway.app.config
    data = config.model_dump(exclude_unset=True)
    data["engines"]["whisper"] |= engines or {}
    top = {name: settings.pop(name) for name in ("budget",) if name in settings}
    data["gateway"] |= settings
    return gateway.on_loop(lambda: gateway.app.apply(Config.model_validate({**data, **top})))


def status(client: httpx.Client, host: str, path: str = "/hello") -> int:
    return client.get(path, headers={"host": host}).status_code


def test_hostnames_change_for_a_connection_that_is_open(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE) as client:
        assert [status(client, host) for host in ("whisper.test", "new.test")] == [200, 404]
        assert reconfigured(gateway, engines={"hosts": ["new.test"]}) == Changes([], ["whisper"], [])
        assert [status(client, host) for host in ("whisper.test", "new.test")] == [404, 200]
    assert gateway.runtimes["whisper"].starts == 1, "the engine has gone on"


def test_pages_of_other_sites_are_judged_by_the_new_rules(gateway: Gateway) -> None:
    origin = {"host": "whisper.test", "origin": "https://page.test"}
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE) as client:
        assert "access-control-allow-origin" not in client.get("/hello", headers=origin).headers
        reconfigured(gateway, engines={"cors": ["https://page.test"]})
        assert client.get("/hello", headers=origin).headers["access-control-allow-origin"] == "https://page.test"


def test_the_portal_moves_and_who_may_come_in_changes(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE) as client:
        assert status(client, "portal.test", "/api/engines") == 200
        reconfigured(gateway, portal="door.test", access="known")
        assert status(client, "portal.test", "/api/engines") == 401, "strangers do not learn which hosts there are"
        assert status(client, "door.test", "/api/engines") == 401
        assert status(client, "door.test", "/healthz") == 200
        assert status(client, "whisper.test") == 401
        reconfigured(gateway, access="everybody")
        assert status(client, "whisper.test") == 200
        assert status(client, "portal.test", "/api/engines") == 404


def test_what_is_logged_changes(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE) as client:
        status(client, "whisper.test")
        reconfigured(gateway, log={"requests": "all"})
        status(client, "whisper.test", "/echo")
        gateway.until(lambda: any(line["path"] == "/echo" for line in gateway.events("request.done")))


def test_quotas_and_the_budget_change(gateway: Gateway) -> None:
    reconfigured(gateway, spool={"total": "1m"}, engines={"needs": {"memory": "1g"}}, budget={"memory": "2g"})
    assert gateway.app.spools.quota.total == 1024**2
    assert gateway.engine().budgeted
    with gateway.client() as client:
        assert client.get("/hello").status_code == 200
    assert gateway.app.config.budget is not None
    config = gateway.app.config.model_copy(update={"budget": None})
    assert gateway.on_loop(lambda: gateway.app.apply(config)) == Changes([], [], [])
    assert not gateway.engine().budgeted


def test_a_gateway_without_a_file_has_nothing_to_read_again(gateway: Gateway) -> None:
    answer = httpx.post(f"{gateway.admin_url}/api/reload", timeout=PATIENCE)
    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert httpx.get(f"{gateway.admin_url}/api/reload", timeout=PATIENCE).status_code == 405
    page = {"sec-fetch-site": "cross-site"}
    assert httpx.post(f"{gateway.admin_url}/api/reload", headers=page, timeout=PATIENCE).status_code == 403


def test_a_request_is_answered_by_the_engine_it_was_let_in_to(gateway: Gateway) -> None:
    """Its entry is taken out while it streams, and comes back while the old engine still serves it."""
    with gateway.client() as client, client.stream("GET", "/sse?n=30&interval_ms=20") as stream:
        lines = stream.iter_lines()
        next(lines)
        config = gateway.app.config
        without = {name: spec for name, spec in config.engines.items() if name != "whisper"}
        gateway.on_loop(lambda: gateway.app.apply(config.model_copy(update={"engines": without})))
        with gateway.client() as other:
            assert other.get("/hello").status_code == 404
        assert gateway.on_loop(lambda: gateway.app.apply(config)) == Changes(["whisper"], [], [])
        assert len([line for line in lines if line.startswith("data:")]) >= 29
    with gateway.client() as client:
        assert client.get("/hello").status_code == 200
    gateway.until(lambda: gateway.app.fleet.leaving == [])


def test_an_operator_can_end_what_keeps_a_changed_engine_from_beginning(gateway: Gateway) -> None:
    """An open stream of the old one may go on for ever, and nobody else knows the old one by name any more."""
    with gateway.client() as client, client.stream("GET", "/sse?n=200&interval_ms=50") as stream:
        lines = stream.iter_lines()
        next(lines)
        reconfigured(gateway, engines={"process": {"command": ["another"]}})
        assert gateway.engine().held_back
        httpx.post(f"{gateway.admin_url}/api/engines/whisper/sleep", timeout=PATIENCE)
        assert gateway.app.fleet.leaving, "without force nothing is cut off"
        answer = httpx.post(f"{gateway.admin_url}/api/engines/whisper/sleep?force=true", timeout=PATIENCE)
        assert answer.status_code in (200, 202)
        gateway.until(lambda: not gateway.app.fleet.leaving)
        assert gateway.runtimes["whisper"].starts == 0
        with gateway.client() as other:
            assert other.get("/hello").status_code == 200


def test_an_engine_whose_preload_is_turned_on_is_woken_and_one_that_is_added_with_it(gateway: Gateway) -> None:
    reconfigured(gateway, engines={"preload": True})
    gateway.reaches(Phase.READY)
    whisper = gateway.app.config.engines["whisper"]
    added = whisper.model_copy(update={"hosts": ("added.test",)})
    gateway._ports["added"] = whisper.port
    config = gateway.app.config.model_copy(update={"engines": {"whisper": whisper, "added": added}})
    assert gateway.on_loop(lambda: gateway.app.apply(config)) == Changes(["added"], [], ["other"])
    gateway.reaches(Phase.READY, "added")
    assert gateway.runtimes["whisper"].starts == 1


def test_an_operator_can_end_an_endless_stream_of_an_engine_that_was_removed(gateway: Gateway) -> None:
    url = f"{gateway.admin_url}/api/engines/whisper/sleep"
    with gateway.client() as client, client.stream("GET", "/sse?n=200&interval_ms=50") as stream:
        lines = stream.iter_lines()
        next(lines)
        config = gateway.app.config
        without = {name: spec for name, spec in config.engines.items() if name != "whisper"}
        gateway.on_loop(lambda: gateway.app.apply(config.model_copy(update={"engines": without})))
        (old,) = gateway.app.fleet.leaving
        busy = httpx.post(url, timeout=PATIENCE)
        assert (busy.status_code, busy.json()["code"]) == (409, "engine_busy")
        assert old.serving == 1
        done = httpx.post(f"{url}?force=true&wait=true", timeout=PATIENCE)
        assert (done.status_code, done.json()["name"], done.json()["phase"]) == (200, "whisper", "asleep")
        gateway.until(lambda: not gateway.app.fleet.leaving)
    assert httpx.post(f"{url}?force=true", timeout=PATIENCE).status_code == 404
    assert gateway.runtimes["whisper"].stops == 1


def test_nothing_but_sleep_finds_an_engine_that_leaves(gateway: Gateway) -> None:
    with gateway.client() as client, client.stream("GET", "/sse?n=200&interval_ms=50") as stream:
        next(stream.iter_lines())
        config = gateway.app.config.model_copy(update={"engines": {"other": gateway.app.config.engines["other"]}})
        gateway.on_loop(lambda: gateway.app.apply(config))
        paths = [("POST", "/wake"), ("GET", ""), ("GET", "/logs"), ("GET", "/queue")]
        statuses = [
            httpx.request(how, f"{gateway.admin_url}/api/engines/whisper{path}", timeout=PATIENCE).status_code
            for how, path in paths
        ]
        assert statuses == [404] * 4
        httpx.post(f"{gateway.admin_url}/api/engines/whisper/sleep?force=true", timeout=PATIENCE)
