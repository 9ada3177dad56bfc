"""The product's main job on this machine, without Docker: asleep, woken by a request, warm, asleep again.

Starts the gateway of samples/config.yaml on free ports, and talks to it as any client would: with the OpenAI SDK.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openai import OpenAI

ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "samples" / "audio" / "en-please-open-the-door-and-close-the-window.wav"
HOSTNAME = "whisper.example.org"
PATIENCE = 60.0


class Gateway:
    """A gateway as a child process."""

    def __init__(self, state_dir: str) -> None:
        self.port, self.admin, engine = free_ports(3)
        settings = {
            "DEMO_PORT": self.port, "DEMO_ADMIN_PORT": self.admin, "DEMO_ENGINE_PORT": engine,
            "DEMO_STATE_DIR": state_dir, "DEMO_IDLE": "2s", "DEMO_LOG": "json",
        }  # fmt: skip
        bin_dir = Path(sys.executable).parent
        environment = {
            **os.environ,
            **{name: str(value) for name, value in settings.items()},
            "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        self._log_path = Path(state_dir) / "gateway.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [bin_dir / "whisper-gateway", "serve", "--config", ROOT / "samples" / "config.yaml"],
                env=environment,
                stderr=log,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of the gateway's log with this event."""
        lines = [json.loads(line) for line in self._log_path.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]

    def engine(self) -> dict[str, Any]:
        """The engine as the control API shows it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/engines/whisper", timeout=10) as answer:
            shown: dict[str, Any] = json.load(answer)
            return shown

    def until(self, phase: str | None = None) -> None:
        """Wait until the gateway answers and its engine is in this phase; the API has no stream to await yet."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"the gateway ended with {self.process.returncode}:\n{self._log_path.read_text()}")
            with contextlib.suppress(OSError):
                if phase is None or self.engine()["phase"] == phase:
                    return
            time.sleep(0.05)
        sys.exit(f"waited {PATIENCE:g} s in vain for {phase or 'the gateway'}:\n{self._log_path.read_text()}")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


@contextlib.contextmanager
def running_gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory() as state_dir:
        gateway = Gateway(state_dir)
        try:
            gateway.until()
            yield gateway
        finally:
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(PATIENCE)


def transcribe(client: OpenAI) -> tuple[str, float]:
    """The transcript, and the seconds it took."""
    began = time.monotonic()
    with RECORDING.open("rb") as audio:
        answer = client.audio.transcriptions.create(model="whisper-1", file=audio)
    return answer.text.strip(), time.monotonic() - began


def main() -> None:
    with running_gateway() as gateway:
        gateway.until("asleep")
        print(f"The gateway listens on 127.0.0.1:{gateway.port}. The engine behind {HOSTNAME} is asleep.\n")
        # In real life the base URL is https://whisper.example.org/v1; here its name does not lead to this machine.
        base_url = f"http://127.0.0.1:{gateway.port}/v1"
        with OpenAI(base_url=base_url, api_key="unused", default_headers={"Host": HOSTNAME}) as client:
            text, took = transcribe(client)
            wake = gateway.events("engine.ready")[-1]["after"]
            print(f"First call, cold: {text!r}")
            print(f"  the engine was awake after {wake:.2f} s, the answer was here after {took:.2f} s\n")
            text, took = transcribe(client)
            print(f"Second call, warm: {text!r}")
            print(f"  the answer was here after {took:.2f} s\n")
        gateway.until("asleep")
        idle = gateway.events("engine.stopping")[-1]["ready_for"]
        print(
            f"Nobody needed the engine for 2 s: it is {gateway.engine()['phase']} again, {idle:.1f} s after its wake."
        )


if __name__ == "__main__":
    main()
