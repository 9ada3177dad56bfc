"""Who may look at engines and steer them, through the portal; and what the log tells of it."""

from __future__ import annotations

from pathlib import Path

import httpx

from gateway.auth.rates import Rate
from gateway.config.schema import Config
from gateway.errors import StartRefused
from tests.fixtures.api_keys import make_key
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn
from tests.inprocess.closed_door import PORTAL, PROXIED, asked, bearer, code, folder, gateway, proxied

__all__ = ["folder", "gateway", "proxied"]  # fixtures


def test_what_is_done_at_the_portal_can_be_looked_up(proxied: Gateway) -> None:
    root = {**PROXIED, "x-remote-user": "root", "x-request-id": "mine"}
    answers = [
        asked(proxied, "/api/engines", PORTAL, headers=root),
        asked(proxied, "/api/engines/whisper/sleep", PORTAL, method="POST", headers=root),
        asked(proxied, "/api/engines/whisper/logs", PORTAL, headers=root),
        asked(proxied, "/api/engines/whisper/logs", PORTAL, headers=PROXIED),
        asked(proxied, "/api/engines", PORTAL, headers=bearer("wrong")),
        asked(proxied, "/api/nothing", PORTAL, headers=root),
    ]
    assert all(answer.headers.get("x-request-id") for answer in answers)
    proxied.until(lambda: len(proxied.events("request.done")) == 2 and len(proxied.events("request.ended")) == 3)
    done, ended = proxied.events("request.done"), proxied.events("request.ended")
    assert [(entry["user"], entry["method"], entry["path"], entry["client"]) for entry in done] == [
        ("root", "POST", "/api/engines/whisper/sleep", "203.0.113.7"),
        ("root", "GET", "/api/engines/whisper/logs", "203.0.113.7"),
    ]
    assert done[0]["request_id"] == "mine"
    assert [(entry.get("user"), entry["error"]) for entry in ended] == [
        ("anna", "forbidden"), (None, "invalid_api_key"), ("root", "unknown_path"),
    ]  # fmt: skip
    assert "not a key" in ended[1]["reason"]


def test_where_nobody_is_asked_who_comes_through_a_proxy_does_not_steer(standin: StandIn) -> None:
    """That proxy may let every program pass unasked, as ours does."""
    settings = {"access": "everybody", "trusted_proxies": ["127.0.0.1"], "portal": PORTAL, "admins": ["root"]}
    with running_gateway({"whisper": Engine(standin.port)}, **settings) as gateway:
        wake = "/api/engines/whisper/wake"
        assert asked(gateway, "/hello", headers=bearer("anything")).status_code == 200
        assert code(asked(gateway, wake, PORTAL, method="POST", headers=bearer("anything"))) == (403, "forbidden")
        root = {**PROXIED, "x-remote-user": "root"}
        assert asked(gateway, wake, PORTAL, method="POST", headers=root).status_code in (200, 202)
        assert gateway.events("gateway.asks_nobody")


def test_only_administrators_steer(gateway: Gateway, folder: Path) -> None:
    plain, admin = bearer(make_key(folder, "plain")), bearer(make_key(folder, "boss", admin=True))
    for method, word in (("POST", "wake"), ("POST", "sleep"), ("GET", "logs")):
        path = f"/api/engines/whisper/{word}"
        assert code(asked(gateway, path, PORTAL, method=method)) == (401, "key_missing")
        assert code(asked(gateway, path, PORTAL, method=method, headers=plain)) == (403, "forbidden")
        assert asked(gateway, path, PORTAL, method=method, headers=admin).status_code in (200, 202)
    assert code(asked(gateway, "/api/reload", PORTAL, method="POST", headers=plain)) == (403, "forbidden")
    assert code(asked(gateway, "/api/reload", PORTAL, method="POST", headers=admin)) == (409, "reload_refused")


def test_a_key_sees_and_steers_the_engines_of_its_hosts(gateway: Gateway, folder: Path) -> None:
    headers = bearer(make_key(folder, hosts=("whisper.test",), admin=True))
    shown = asked(gateway, "/api/engines", PORTAL, headers=headers).json()["engines"]
    assert [engine["name"] for engine in shown] == ["whisper"]
    answer = asked(gateway, "/api/engines/other/wake", PORTAL, method="POST", headers=headers)
    assert code(answer) == (403, "host_not_allowed")
    assert gateway.runtimes["other"].starts == 0


def test_a_key_for_some_hosts_is_told_nothing_of_all_of_them(gateway: Gateway, folder: Path) -> None:
    """Metrics are of every engine, and a reload that is refused names what is wrong in the whole file."""
    limited = bearer(make_key(folder, hosts=("whisper.test",), admin=True))
    prometheus = bearer(make_key(folder, "prometheus", hosts=(PORTAL, "whisper.test"), admin=True))
    assert code(asked(gateway, "/metrics", PORTAL, headers=limited)) == (403, "host_not_allowed")
    assert asked(gateway, "/metrics", PORTAL, headers=prometheus).status_code == 200
    for headers in (limited, prometheus):
        answer = asked(gateway, "/api/reload", PORTAL, method="POST", headers=headers)
        assert code(answer) == (403, "host_not_allowed")
        assert "other" not in answer.text


def test_why_an_engine_failed_is_told_to_administrators(gateway: Gateway, folder: Path) -> None:
    """It may name paths, programs and containers; others are told what who waited was told."""
    plain, admin = bearer(make_key(folder, "plain")), bearer(make_key(folder, "boss", admin=True))
    gateway.on_loop(lambda: gateway.runtimes["whisper"].fail_next_start(StartRefused("is in /secret")))
    assert code(asked(gateway, headers=plain)) == (503, "engine_start_failed")
    for path in ("/api/engines", "/api/engines/whisper"):
        assert "is in /secret" in asked(gateway, path, PORTAL, headers=admin).text
        told = asked(gateway, path, PORTAL, headers=plain).text
        assert "secret" not in told
        assert StartRefused.public in told


def test_a_key_of_the_new_hosts_does_not_end_what_the_old_ones_have(gateway: Gateway, folder: Path) -> None:
    """An engine that a reload has changed may still serve somebody at hostnames that it had before."""
    everywhere = bearer(make_key(folder, "boss", admin=True))
    here = bearer(make_key(folder, "new", hosts=("new.test",), admin=True))
    sleep = "/api/engines/whisper/sleep?force=true"
    url, headers = f"{gateway.url}/sse?n=1000&interval_ms=50", {"host": "whisper.test", **everywhere}
    with httpx.stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
        lines = answer.iter_lines()
        next(lines)
        data = gateway.app.config.model_dump(exclude_unset=True)
        data["engines"]["whisper"] |= {"hosts": ["new.test"], "process": {"command": ["another"]}}
        gateway.on_loop(lambda: gateway.app.apply(Config.model_validate(data)))
        (old,) = gateway.app.fleet.leaving
        assert code(asked(gateway, sleep, PORTAL, method="POST", headers=here)) == (403, "host_not_allowed")
        assert old.serving == 1
        assert asked(gateway, sleep, PORTAL, method="POST", headers=everywhere).status_code in (200, 202)
        gateway.until(lambda: not gateway.app.fleet.leaving)


def test_users_steer_if_they_are_listed(proxied: Gateway) -> None:
    wake = "/api/engines/whisper/wake"
    assert code(asked(proxied, wake, PORTAL, method="POST", headers=PROXIED)) == (403, "forbidden")
    root = {**PROXIED, "x-remote-user": "root"}
    assert asked(proxied, wake, PORTAL, method="POST", headers=root).status_code == 202


def test_health_is_told_to_everybody(gateway: Gateway) -> None:
    assert asked(gateway, "/healthz", PORTAL).status_code == 200
    assert code(asked(gateway, "/api/engines", PORTAL)) == (401, "key_missing")


def test_the_portal_counts_a_request_once(gateway: Gateway, folder: Path) -> None:
    headers = bearer(make_key(folder, rate=Rate(2, "h")))
    codes = [asked(gateway, "/api/engines", PORTAL, headers=headers).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_the_admin_address_asks_nobody(gateway: Gateway) -> None:
    assert httpx.post(f"{gateway.admin_url}/api/engines/whisper/wake", timeout=PATIENCE).status_code == 202
