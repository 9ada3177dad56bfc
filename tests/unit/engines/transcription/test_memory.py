"""That memory is given back is measured: here with glibc, elsewhere there is nothing to measure."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from engines.transcription import memory
from tests.fixtures.patience import PATIENCE

SCATTERED = """
import threading
from engines.transcription import memory

memory.settle()
kept = []

def fill():
    blocks = [bytearray(100_000) for _ in range(1000)]  # below what the allocator would ask the system for singly
    kept.append(blocks[-1])

threads = [threading.Thread(target=fill) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
before = memory.resident()
memory.give_back()
print(before, memory.resident())
"""


def test_resident_memory_is_that_of_the_system() -> None:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    assert memory.resident() == pytest.approx(int(line.split()[1]) * 1024, rel=0.05)


def test_freed_memory_of_other_threads_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    before, after = map(int, done.stdout.split())
    assert after <= before
    assert after < 60_000_000, "two hundred megabytes were freed"


def test_garbage_is_collected_first() -> None:
    class Loop:
        def __init__(self) -> None:
            self.me = self

    shadow = weakref.ref(Loop())
    memory.give_back()
    assert shadow() is None


def test_without_glibc_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    memory.give_back()
    memory.settle()


GROWN = """
from engines.transcription import memory

memory.settle()
lid = memory.Lid(growth=50_000_000)
begin = memory.resident()
for size in (300, 1000):
    blocks = [bytearray(100_000) for _ in range(size)]
    above = blocks.pop()
    del blocks
    print(memory.resident() - begin)
    lid.look()
    print(memory.resident() - begin)
"""


def test_growth_in_long_work_is_held_down() -> None:
    """Nothing else gives back what is free, see `settle`. A little of it is left alone."""
    done = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True)
    little, still, much, hardly = map(int, done.stdout.split())
    assert 25_000_000 < little < 50_000_000
    assert much > 85_000_000
    assert still == pytest.approx(little, rel=0.05)
    assert hardly < 20_000_000
