"""Which process is an engine's, remembered beyond the gateway's own life.

A process id alone proves nothing: the kernel gives it to somebody else after a while. Together with the moment the
process was started, as the kernel tells it, and the boot it was started in, it names one process for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.config.schema import ProcessTarget

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """pid: also the id of its process group. started: see `kernel_start`. since: wall-clock time of the start.

    port, settings: what it was started with, see `settings_hash`; absent from the records of earlier versions.
    """

    pid: int
    started: str
    since: float
    port: int = 0
    salt: str = ""
    settings: str = ""

    @classmethod
    def of(cls, pid: int, target: ProcessTarget, port: int) -> ProcessRecord:
        """For a process that was started just now."""
        salt = secrets.token_hex(16)
        return cls(pid, kernel_start(pid) or "", time.time(), port, salt, settings_hash(target, salt))

    @property
    def instance(self) -> str:
        return f"{self.pid}-{self.started.rpartition(':')[2]}"

    def runs(self, target: ProcessTarget, port: int) -> bool:
        """Whether it was started with these settings."""
        return self.port == port and self.settings == settings_hash(target, self.salt)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return kernel_start(self.pid) == self.started

    def recycled(self) -> bool:
        """Whether its process id belongs to another process now."""
        return kernel_start(self.pid) not in (None, self.started)

    def save(self, path: Path) -> None:
        """Replaces the file in one step. Raises OSError."""
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)


def load_record(path: Path) -> ProcessRecord | None:
    """What `save` wrote; None for a missing or unusable file."""
    try:
        told = json.loads(path.read_text())
        settings = int(told.get("port", 0)), str(told.get("salt", "")), str(told.get("settings", ""))
        return ProcessRecord(int(told["pid"]), str(told["started"]), float(told["since"]), *settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def settings_hash(target: ProcessTarget, salt: str) -> str:
    """Tells whether two commands are the same, and nothing of what they are: the environment may hold secrets."""
    settings = [salt, target.command, target.environment, str(target.directory)]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def kernel_start(pid: int) -> str | None:
    """When the kernel started this process, as a text to compare; None if it has ended, even if nobody reaped it."""
    return _start_from_proc(pid) if (PROC / "self" / "stat").exists() else _start_from_ps(pid)


def _start_from_proc(pid: int) -> str | None:
    """Boot id and clock ticks since that boot: proc(5), /proc/pid/stat, fields 3 and 22."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return None if state in "ZX" else f"{_boot_id()}:{fields[18]}"


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    return ""


def _start_from_ps(pid: int) -> str | None:
    """Where there is no /proc, as on macOS: to the second, by ps(1)."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - nothing from outside
    state, _, started = told.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else "-".join(started.split()).replace(":", "-")
