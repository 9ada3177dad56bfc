"""The command line and a running gateway."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from typer.testing import Result

from gateway.errors import StartRefused
from gateway.lifecycle.phases import Phase
from tests.fixtures.commands import one_line, run
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.standin import StandIn


@pytest.fixture(scope="module")
def gateway(standin: StandIn) -> Iterator[Gateway]:
    with running_gateway({"whisper": Engine(standin.port), "bad": Engine(0)}) as one:
        yield one


@pytest.fixture
def admin(gateway: Gateway) -> list[str]:
    """The words that lead to the running gateway."""
    return ["--admin", f"127.0.0.1:{gateway.admin_port}"]


def test_status_is_a_table(gateway: Gateway, admin: list[str]) -> None:
    run("wake", "whisper", *admin)
    result = run("status", *admin)
    assert result.exit_code == 0
    heading, whisper, bad = (line.split() for line in result.stdout.splitlines())
    assert heading == ["ENGINE", "PHASE", "UPTIME", "SERVING", "WAITING", "IDLE", "IN", "HOSTS"]
    assert whisper[:2] == ["whisper", "ready"]
    assert whisper[3:5] == ["0", "0"]
    assert re.fullmatch(r"1[45]m(\d+s)?", whisper[5])
    assert whisper[6] == "whisper.test"
    assert bad == ["bad", "asleep", "-", "0", "0", "-", "bad.test"]


def test_wake_waits_until_the_engine_is_ready(gateway: Gateway, admin: list[str]) -> None:
    result = run("wake", "whisper", *admin)
    assert (result.exit_code, result.stdout) == (0, "whisper is ready\n")
    assert gateway.engine().phase is Phase.READY


def test_a_wake_that_fails_says_why(gateway: Gateway, admin: list[str]) -> None:
    gateway.runtimes["bad"].fail_next_start(StartRefused("has no disk space left"))
    result = run("wake", "bad", *admin)
    assert result.exit_code == 1
    assert one_line(result) == "whisper-gateway: bad could not be woken: it has no disk space left"
    assert "bad has no disk space left" in run("status", *admin).stdout
    gateway.reaches(Phase.ASLEEP, "bad")


def test_sleep_waits_until_the_engine_sleeps(gateway: Gateway, admin: list[str]) -> None:
    run("wake", "whisper", *admin)
    result = run("sleep", "whisper", *admin)
    assert (result.exit_code, result.stdout) == (0, "whisper is asleep\n")
    assert gateway.engine().phase is Phase.ASLEEP


def test_a_busy_engine_does_not_go_to_sleep_but_by_force(gateway: Gateway, admin: list[str]) -> None:
    with gateway.raw() as client:
        client.get("/slow?ms=60000")
        gateway.until(lambda: gateway.engine().serving == 1)
        result = run("sleep", "whisper", *admin)
        assert result.exit_code == 1
        assert one_line(result).endswith("use force to cut them off (engine_busy)")
        assert run("sleep", "whisper", "--force", *admin).stdout == "whisper is asleep\n"


def test_a_wake_that_is_called_off_is_no_success(gateway: Gateway, admin: list[str]) -> None:
    runtime = gateway.runtimes["whisper"]
    run("sleep", "whisper", *admin)
    gateway.on_loop(runtime.start_gate.clear)
    results: list[Result] = []
    caller = threading.Thread(target=lambda: results.append(run("wake", "whisper", *admin)))
    caller.start()
    gateway.until(lambda: bool(gateway.engine()._phase_waiters))
    with gateway.client() as client:
        client.base_url = gateway.admin_url
        client.post("/api/engines/whisper/sleep", headers={"host": "localhost"})
    caller.join()
    gateway.on_loop(runtime.start_gate.set)
    assert results[0].exit_code == 1


def test_logs_are_the_engines_last_lines(gateway: Gateway, admin: list[str]) -> None:
    gateway.runtimes["whisper"].lines.extend(f"line {number}" for number in range(200))
    assert run("logs", "whisper", "--tail", "2", *admin).stdout == "line 198\nline 199\n"
    assert len(run("logs", "whisper", *admin).stdout.splitlines()) == 100


@pytest.mark.parametrize("tail", ["0", "-1", "10001", "x"])
def test_a_wrong_tail_is_a_usage_error(admin: list[str], tail: str) -> None:
    assert run("logs", "whisper", "--tail", tail, *admin).exit_code == 2


@pytest.mark.parametrize("word", ["wake", "sleep", "logs"])
@pytest.mark.parametrize("name", ["none", "../whisper", "whisper/sleep?force=1", "a b", "?", "é", "%2e"])
def test_an_unknown_engine_is_told_in_one_line(admin: list[str], word: str, name: str) -> None:
    result = run(word, name, *admin)
    assert result.exit_code == 1
    assert "unknown_engine" in one_line(result) or "unknown_path" in one_line(result)
