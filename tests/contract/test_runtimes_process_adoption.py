"""Gateways that share local processes: one after the other, perhaps with another configuration; not two at once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import RuntimeUnavailable
from gateway.runtimes import Runtimes, process, process_record
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.process_log import SHORTEN_ABOVE
from tests.contract.rigs import ProcessRig, Watch, accepts, exists, gone, is_not_running, until
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port

pytestmark = pytest.mark.anyio


# a gateway that comes after


async def test_what_an_earlier_gateway_started_is_adopted_watched_and_stopped(process_rig: ProcessRig) -> None:
    await process_rig.start_in_another_gateway()
    runtime = process_rig.runtime()
    watch = Watch(runtime)
    seen = await watch.until(lambda seen: isinstance(seen, Running))
    assert isinstance(seen, Running)
    assert (await runtime.start()).instance == seen.instance
    await until(lambda: accepts(seen.address))
    await runtime.stop()
    assert await runtime.inspect() == NotRunning("ended, and only its parent knows how")
    assert not await accepts(seen.address)
    assert (await runtime.start()).instance != seen.instance


async def test_the_crash_of_an_adopted_program_is_noticed_promptly(process_rig: ProcessRig) -> None:
    await process_rig.start_in_another_gateway()
    watch = Watch(process_rig.runtime())
    await watch.until(lambda seen: isinstance(seen, Running))
    await process_rig.kill()
    await watch.until(is_not_running)


async def test_what_ended_while_no_gateway_looked_does_not_run(process_rig: ProcessRig) -> None:
    await process_rig.start_in_another_gateway()
    pid = process_rig.pid()
    await process_rig.kill()
    await until(lambda: gone(pid))
    runtime = process_rig.runtime()
    assert await runtime.inspect() == NotRunning("no longer runs")
    await runtime.stop()
    await runtime.start()


# a gateway that comes after, with another configuration


def other_port(rig: ProcessRig) -> None:
    rig.port = free_port()


def other_command(rig: ProcessRig) -> None:
    rig.target = {**rig.target, "command": [*rig.target["command"], "LOG_LINES=1"]}


def other_environment(rig: ProcessRig) -> None:
    rig.target = {**rig.target, "environment": {"MODEL": "large"}}


def other_directory(rig: ProcessRig) -> None:
    rig.target = {**rig.target, "directory": "/"}


def older_record(rig: ProcessRig) -> None:
    """As versions wrote it that did not note the settings."""
    path = rig.state_dir / "engines" / "engine.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: record[key] for key in ("pid", "started", "since")}))


@pytest.mark.parametrize("change", [other_port, other_command, other_environment, other_directory, older_record])
async def test_a_program_whose_settings_have_changed_is_not_taken_for_the_engine(
    process_rig: ProcessRig, change: Callable[[ProcessRig], None]
) -> None:
    """It would be asked at the wrong port, or answer with yesterday's model. A start puts the new one in its place."""
    await process_rig.start_in_another_gateway()
    old = process_rig.pid()
    change(process_rig)
    runtime = process_rig.runtime()
    watch = Watch(runtime)
    assert await watch.until(is_not_running) == NotRunning("runs with settings that have changed")
    assert exists(old)
    running = await runtime.start()
    assert await gone(old)
    assert running.address.port == process_rig.port
    assert process_rig.pid() != old
    await until(lambda: accepts(running.address))
    assert isinstance(await runtime.inspect(), Running)


async def test_a_program_whose_settings_have_changed_can_be_stopped(process_rig: ProcessRig) -> None:
    await process_rig.start_in_another_gateway()
    old = process_rig.pid()
    other_port(process_rig)
    runtime = process_rig.runtime()
    await runtime.stop()
    assert await gone(old)
    assert is_not_running(await runtime.inspect())


# two gateways, one state directory


async def test_the_engines_of_another_gateway_with_the_same_state_directory_are_left_alone(
    process_rig: ProcessRig,
) -> None:
    mine = process_rig.runtime()
    running = await mine.start()
    other = Runtimes(process_rig.state_dir).runtime_for("engine", process_rig.spec())
    hints = other.watch()
    await anext(hints)
    for call in (other.inspect, other.start, other.stop):
        with pytest.raises(RuntimeUnavailable, match="is managed by another gateway, which uses the same state_dir"):
            await call()
    seen = await mine.inspect()
    assert isinstance(seen, Running)
    assert seen.instance == running.instance
    await mine.aclose()
    assert isinstance(await other.inspect(), Running)
    await other.aclose()


async def test_all_engines_of_one_gateway_share_its_state_directory(process_rig: ProcessRig) -> None:
    runtimes = Runtimes(process_rig.state_dir)
    one, two = (runtimes.runtime_for(name, process_rig.spec()) for name in ("one", "two"))
    await one.inspect()
    await two.inspect()
    await one.aclose()
    with pytest.raises(RuntimeUnavailable):
        await process_rig.runtime().inspect()
    await two.aclose()
    await process_rig.runtime().inspect()


# its log


async def test_the_log_of_an_engine_that_runs_for_long_does_not_fill_the_disk(
    process_rig: ProcessRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who only watches sees to it, too: he is told to look again from time to time."""
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.05)
    os.mkfifo(tmp_path / "more")
    chatty = f"head -c {SHORTEN_ABOVE + 1000} /dev/zero; echo; echo before; while read line < more; do echo $line; done"
    process_rig.target = {"command": ["sh", "-c", chatty], "directory": str(tmp_path)}
    runtime = process_rig.runtime()
    await runtime.start()
    log = tmp_path / "engines" / "engine.log"

    async def is_shortened(_: object = None) -> bool:
        return log.with_name("engine.log.1").exists() and log.stat().st_size < SHORTEN_ABOVE

    watch = Watch(runtime)
    async with asyncio.timeout(PATIENCE):
        while not await is_shortened():
            await watch.hint()
            await runtime.inspect()
    (tmp_path / "more").write_text("after\n")

    async def has_gone_on() -> bool:
        return (await runtime.logs(2)) == ["before", "after"]

    await until(has_gone_on)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours, at the head of its own group."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("change", ["other-start", "other-boot", "dead"])
async def test_a_process_id_that_was_given_to_somebody_else_is_never_touched(
    process_rig: ProcessRig, bystander: subprocess.Popen[bytes], change: str
) -> None:
    boot, _, ticks = str(process_record.kernel_start(bystander.pid)).partition(":")
    started = {"other-start": f"{boot}:{int(ticks) - 1}", "other-boot": f"earlier:{ticks}", "dead": ""}[change]
    record = {"pid": bystander.pid, "started": started, "since": time.time()}
    (process_rig.state_dir / "engines").mkdir()
    (process_rig.state_dir / "engines" / "engine.json").write_text(json.dumps(record))
    runtime = process_rig.runtime()
    assert is_not_running(await runtime.inspect())
    await runtime.stop()
    assert bystander.poll() is None
    await runtime.start()
    await runtime.stop()
    assert bystander.poll() is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": 1}', "\x00\xff"])
async def test_a_record_that_cannot_be_read_is_none(process_rig: ProcessRig, content: str) -> None:
    (process_rig.state_dir / "engines").mkdir()
    (process_rig.state_dir / "engines" / "engine.json").write_text(content)
    runtime = process_rig.runtime()
    assert await runtime.inspect() == NotRunning("was never started")
    await runtime.start()
