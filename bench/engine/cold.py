"""A cold wake of the real thing: a request for a sleeping container, until its transcript is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench import client, containers
from bench.engine import recordings
from bench.engine.server import request, text_of
from bench.engine.setting import ROOT, SMALL_MODEL
from bench.errors import BenchError, MissingError
from bench.harness import Gateway, scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from docker.models.containers import Container

    from bench.harness import Options

TARGET = Target("at most", 1.6)
IMAGE = "whisper-gateway-bench-faster"
_ROUNDS = 10
_MODEL = "/models/micro-whisper"
_SETTINGS: dict[str, Any] = {
    "environment": {"WHISPER_MODEL": _MODEL, "HF_HUB_OFFLINE": "1"},
    "volumes": {str(SMALL_MODEL): {"bind": _MODEL, "mode": "ro"}},
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
"""As docs/engine-faster.md recommends."""


def require() -> None:
    """Raises MissingError. The program is needed beside the engine: the Dockerfile wants BuildKit."""
    containers.require()
    if not shutil.which("docker"):
        raise MissingError("the docker program is not installed (with buildx); leave it out with --skip-docker")


def measure(options: Options) -> list[Row]:
    _build()
    with ExitStack() as stack:
        container = stack.enter_context(containers.created(IMAGE, **_SETTINGS))
        engine = {"docker": {"container": container.name}, "port": containers.PORT, "start_timeout": "60s"}
        gateway = Gateway(stack, stack.enter_context(scratch()) / "gateway", options, engine)
        _wake(gateway, container)  # fills the page cache
        waits = [_wake(gateway, container) for _ in range(options.rounds_or(_ROUNDS))]
    return [
        Row(
            "engine, container start to first transcript",
            waits,
            "s",
            "the request that wakes it",
            TARGET,
            note="a 3 s clip and the shipped model, through the gateway, from sending to the whole answer",
        )
    ]


def _wake(gateway: Gateway, container: Container) -> float:
    """Seconds. The container is asleep before and afterwards."""
    clip = recordings.clip()
    message = request(recordings.wav(clip.sound))
    begin = time.perf_counter()
    text = text_of(client.ask(gateway.port, message, 60))
    seconds = time.perf_counter() - begin
    if text.strip() != clip.text:
        raise BenchError(f"the first transcript was {text!r}")
    gateway.put_to_sleep()
    containers.wait_until_stopped(container)
    return seconds


def _build() -> None:
    """The image, as the Dockerfile says. It stays for the next run."""
    command = ["docker", "build", "--quiet", "-f", "engines/faster/Dockerfile", "-t", IMAGE, "."]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise BenchError(f"the engine's image could not be built:\n{built.stderr[-2000:]}")
