"""A Docker daemon of one's own, to be stopped, killed and frozen. Only `apart`: it rewrites its network's rules."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import docker

from tests.chaos.apart import has_own_network
from tests.fixtures.docker import STANDIN_IMAGE
from tests.fixtures.patience import LONG_PATIENCE


class PrivateDocker:
    """Keeps everything in its folder, which must be short: sockets are in it. url: what DOCKER_HOST is for it.

    keeps: containers survive the end of the daemon.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.keeps = False
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/docker.sock"

    def start(self, *, keep: bool = False) -> None:
        """Returns when it answers. keep: see `keeps`."""
        self.keeps = keep
        assert has_own_network(), "never in the machine's own"
        folder = self._folder
        words = ["dockerd", "-H", self.url, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        words += ["--pidfile", f"{folder}/pid", *(["--live-restore"] if keep else [])]
        self._clear()
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + LONG_PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(LONG_PATIENCE)

    def _clear(self) -> None:
        """Away with what a killed one has left behind: numbers may be anybody's by now, and nobody listens any more."""
        containerd = self._folder / "exec" / "containerd"
        if (containerd / "containerd.pid").exists():  # it ends with its daemon
            number = (containerd / "containerd.pid").read_text().strip()
            deadline = time.monotonic() + LONG_PATIENCE
            while is_alive(number):
                assert time.monotonic() < deadline, "containerd does not end"
                time.sleep(0.02)
        for left in [self._folder / "pid", *containerd.glob("containerd.pid"), *containerd.glob("*.sock*")]:
            left.unlink(missing_ok=True)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def load(self, image: str) -> None:
        """Copy an image from the Docker that the environment names."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            loading = ["docker", "-H", self.url, "load", "--quiet"]
            subprocess.run(loading, stdin=saved.stdout, check=True, capture_output=True)

    def create(self, name: str, **settings: Any) -> None:
        """A container of the stand-in's image."""
        with contextlib.closing(docker.DockerClient(self.url)) as client:
            client.containers.create(STANDIN_IMAGE, name=name, init=True, **settings)

    def until_told_of(self, action: str) -> None:
        """Waits until it tells of such an event, or finds that it has."""
        with contextlib.closing(docker.DockerClient(self.url)) as client:
            stream = client.events(since=0, filters={"event": action})
            next(stream)
            stream.close()

    def close(self) -> None:
        """Ends all that it has started. Its mounts end with the thread it ran in."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.thaw()
        else:
            self.start()
        with contextlib.closing(docker.DockerClient(self.url)) as client:
            for container in client.containers.list(all=True):
                container.remove(force=True)
        self.stop()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            try:
                asking.connect(f"{self._folder}/docker.sock")
                asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in asking.recv(100)
            except OSError:
                return False


def is_alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
