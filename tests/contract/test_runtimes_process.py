"""What only local processes can do: take a port, leave workers behind, hand their process id to somebody else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.config.schema import EngineSpec
from gateway.errors import RuntimeTrouble, StartRefused
from gateway.runtimes import process_life, process_record
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.process import ProcessRuntime
from gateway.runtimes.state_folder import StateFolder
from tests.contract.rigs import ProcessRig, Watch, accepts, exists, gone, is_not_running, until

pytestmark = pytest.mark.anyio


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def written(path: Path) -> str:
    """What an engine writes to a file, once there is a whole line."""

    async def is_there() -> bool:
        return content(path).endswith("\n")

    await until(is_there)
    return content(path)


def python(program: str, *words: str) -> list[str]:
    return [sys.executable, "-c", program, *words]


# refusals


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"command": ["no-such-program-anywhere"]}, "there is no program 'no-such-program-anywhere'"),
        ({"command": ["/etc/passwd"]}, "'/etc/passwd' is not executable"),
        ({"command": ["/tmp"]}, "'/tmp' is not executable"),
        ({"command": ["true"], "directory": "/no/such/folder"}, "folder /no/such/folder, which does not exist"),
    ],
    ids=["unknown", "not-executable", "folder", "no-directory"],
)
async def test_a_command_that_cannot_be_run_is_a_clear_error(
    process_rig: ProcessRig, target: dict[str, Any], words: str
) -> None:
    process_rig.target = target
    runtime = process_rig.runtime()
    with pytest.raises(StartRefused, match=words):
        await runtime.start()
    assert await runtime.inspect() == NotRunning("was never started")


async def test_a_program_of_another_kind_is_a_clear_error(process_rig: ProcessRig, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_bytes(b"\x00\x01 no program")
    odd.chmod(0o755)
    process_rig.target = {"command": [str(odd)]}
    with pytest.raises(StartRefused, match="odd': Exec format error"):
        await process_rig.runtime().start()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_port_that_another_program_uses_is_refused(process_rig: ProcessRig, host: str) -> None:
    """Otherwise the other program's answers would pass for the engine's."""
    runtime = process_rig.runtime()
    with socket.create_server((host, process_rig.port)):
        with pytest.raises(StartRefused, match=f"needs port {process_rig.port}, which another program uses"):
            await runtime.start()
        assert is_not_running(await runtime.inspect())
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    await runtime.start()  # its own port is not another's


async def test_a_state_directory_that_cannot_be_written_is_refused_before_anything_runs(
    process_rig: ProcessRig, tmp_path: Path
) -> None:
    (tmp_path / "engines").write_text("a file where a folder should be")
    with pytest.raises(StartRefused, match="state directory"):
        await process_rig.runtime().start()
    (tmp_path / "engines").unlink()


async def test_a_process_that_cannot_be_noted_does_not_run(process_rig: ProcessRig, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process_rig.target = {"command": ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"]}
    (tmp_path / "engines" / "engine.json").mkdir(parents=True)  # cannot be replaced by a file
    with pytest.raises(StartRefused, match="could not be noted"):
        await process_rig.runtime().start()
    assert not pid_file.exists() or not exists(int(pid_file.read_text()))
    (tmp_path / "engines" / "engine.json").rmdir()


# the command


async def test_the_command_gets_port_environment_and_directory(process_rig: ProcessRig, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = (
        "import os, sys; print(sys.argv[1], os.environ['MODEL'], 'PATH' in os.environ, os.getcwd(), "
        f"sys.stdin.read() == '', os.getsid(0) == os.getpid(), file=open({str(told)!r}, 'w'))"
    )
    process_rig.target = {
        "command": python(program, "at={port}"),
        "environment": {"MODEL": "small"},
        "directory": str(tmp_path),
    }
    await process_rig.runtime().start()
    assert (await written(told)).split() == [f"at={process_rig.port}", "small", "True", str(tmp_path), "True", "True"]


async def test_no_descriptor_of_the_gateway_reaches_the_engine(process_rig: ProcessRig, tmp_path: Path) -> None:
    told = tmp_path / "told"
    process_rig.target = {
        "command": ["sh", "-c", f"ls -l /proc/self/fd > {told}.new; echo >> {told}.new; mv {told}.new {told}"]
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        await process_rig.runtime().start()
        assert "socket" not in await written(told)


# its end


async def test_a_signal_is_named(process_rig: ProcessRig) -> None:
    runtime = process_rig.runtime()
    await runtime.start()
    await process_rig.kill()
    seen = await Watch(runtime).until(is_not_running)
    assert seen == NotRunning("was killed by signal SIGKILL", exit_code=137)


async def test_no_zombie_is_left(process_rig: ProcessRig) -> None:
    runtime = process_rig.runtime()
    await runtime.start()
    pid = process_rig.pid()
    await runtime.stop()
    assert not exists(pid)
    await runtime.start()
    watch, pid = Watch(runtime), process_rig.pid()
    await process_rig.kill()
    await watch.until(is_not_running)
    assert not exists(pid)


WITH_WORKER = (
    "import subprocess, sys, signal, time; "
    "worker = subprocess.Popen([sys.executable, '-c', "
    "'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)']); "
    "open(sys.argv[1], 'w').write(f'{worker.pid}\\n'); time.sleep(60)"
)
"""A program with a worker that does not listen to SIGTERM."""


async def test_workers_are_stopped_with_their_program(process_rig: ProcessRig, tmp_path: Path) -> None:
    process_rig.target = {"command": python(WITH_WORKER, str(tmp_path / "worker"))}
    runtime = process_rig.runtime()
    await runtime.start()
    worker = int(await written(tmp_path / "worker"))
    await runtime.stop()
    await until(lambda: gone(worker))


async def test_workers_do_not_outlive_a_program_that_crashed(process_rig: ProcessRig, tmp_path: Path) -> None:
    """They would hold its port."""
    process_rig.target = {"command": python(WITH_WORKER, str(tmp_path / "worker"))}
    runtime = process_rig.runtime()
    await runtime.start()
    worker = int(await written(tmp_path / "worker"))
    watch = Watch(runtime)
    await process_rig.kill()
    await watch.until(is_not_running)
    await until(lambda: gone(worker))


async def test_workers_of_an_adopted_program_end_with_it(process_rig: ProcessRig, tmp_path: Path) -> None:
    process_rig.target = {"command": python(WITH_WORKER, str(tmp_path / "worker"))}
    await process_rig.start_in_another_gateway()
    worker = int(await written(tmp_path / "worker"))
    later = process_rig.runtime()
    assert isinstance(await later.inspect(), Running)
    await later.stop()
    await until(lambda: gone(worker))


# other kernels, other loops


@pytest.fixture(params=["no-pidfd", "forbidden-pidfd", "no-proc"])
def poorer_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """On macOS there is pidfd nor /proc; some sandboxes forbid the call."""

    def forbidden(_pid: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    if request.param == "forbidden-pidfd":
        monkeypatch.setattr(os, "pidfd_open", forbidden)
    else:
        monkeypatch.delattr(os, "pidfd_open")
    if request.param == "no-proc":
        monkeypatch.setattr(process_record, "PROC", tmp_path / "nothing")
    monkeypatch.setattr(process_life, "POLL_SECONDS", 0.05)
    return iter(())


@pytest.mark.usefixtures("poorer_kernel")
async def test_without_pidfds_and_proc_the_end_is_noticed_by_looking(process_rig: ProcessRig) -> None:
    runtime = process_rig.runtime()
    watch = Watch(runtime)
    running = await runtime.start()
    await watch.until(lambda seen: isinstance(seen, Running))
    await process_rig.kill()
    assert await watch.until(is_not_running) == NotRunning("was killed by signal SIGKILL", exit_code=137)
    again = await runtime.start()
    assert again.instance != running.instance
    await runtime.aclose()
    later = process_rig.runtime()
    assert isinstance(seen := await later.inspect(), Running)
    assert seen.instance == again.instance
    await later.stop()
    assert is_not_running(await later.inspect())


def test_it_works_on_uvloop_as_well(tmp_path: Path) -> None:
    """The loop that the gateway runs on."""

    async def story() -> None:
        rig = ProcessRig(tmp_path)
        await rig.prepare()
        runtime = rig.runtime()
        watch = Watch(runtime)
        running = await runtime.start()
        await until(lambda: accepts(running.address))
        os.kill(rig.pid(), signal.SIGKILL)
        assert await watch.until(is_not_running) == NotRunning("was killed by signal SIGKILL", exit_code=137)
        await runtime.start()
        await runtime.stop()
        await rig.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


async def test_many_engines_do_not_mix_up(tmp_path: Path) -> None:
    runtimes, folder = [], StateFolder(tmp_path)
    for number in range(10):
        target = {"command": ["sh", "-c", f"exit {number}"]}
        runtimes.append(ProcessRuntime(f"e{number}", EngineSpec(hosts=("x.test",), process=target, port=1), folder))
    await asyncio.gather(*(runtime.start() for runtime in runtimes))
    for number, runtime in enumerate(runtimes):
        seen = await Watch(runtime).until(is_not_running)
        assert seen == NotRunning(f"exited with code {number}", exit_code=number)
        await runtime.aclose()


async def test_a_process_that_may_not_be_stopped_is_told(
    process_rig: ProcessRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = process_rig.runtime()
    await runtime.start()

    def forbidden(_pid: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", forbidden)
        with pytest.raises(RuntimeTrouble, match="may not be stopped"):
            await runtime.stop()
