"""What the kernel says about a running process (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

MB = 1_000_000
_TICK = os.sysconf("SC_CLK_TCK")


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def started(pid: int) -> str:
    """When the process began; with the id it names one process even after ids have wrapped around."""
    return _stat(pid)[19]


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in steps of 10 ms."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_mb(pid: int) -> float:
    """Resident memory now, in MB (10^6 bytes)."""
    return _status_kib(pid, "VmRSS") * 1024 / MB


def peak_rss_mb(pid: int) -> float:
    """The most resident memory since the process began, or since `reset_peak`."""
    return _status_kib(pid, "VmHWM") * 1024 / MB


def reset_peak(pid: int) -> None:
    """Sets the peak to what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descendants(pid: int) -> list[int]:
    """All processes below this one, parents first."""
    found: list[int] = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """Program and arguments with spaces between; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _children(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in tasks.read_text().split()]
        except OSError:  # the thread or the process ended meanwhile
            continue
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (the state); the second may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise KeyError(name)
