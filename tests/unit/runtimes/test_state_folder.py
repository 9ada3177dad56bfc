"""One gateway per state directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import RuntimeUnavailable
from gateway.runtimes.state_folder import StateFolder

ANOTHER = """
import sys
from pathlib import Path
from gateway.runtimes.state_folder import StateFolder
StateFolder(Path(sys.argv[1])).hold("engine")
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_held_until_its_last_user_lets_go(tmp_path: Path) -> None:
    mine, other = StateFolder(tmp_path / "state"), StateFolder(tmp_path / "state")
    mine.hold("one")
    mine.hold("two")
    mine.hold("two")
    mine.release("two")
    with pytest.raises(RuntimeUnavailable, match="is managed by another gateway, which uses the same state_dir"):
        other.hold("three")
    mine.release("one")
    mine.release("one")
    other.hold("three")
    other.release("three")


def test_a_gateway_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANOTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as another:
        assert another.stdout is not None
        assert another.stdout.readline() == b"held\n"
        mine = StateFolder(tmp_path)
        with pytest.raises(RuntimeUnavailable):
            mine.hold("engine")
        another.kill()
        another.wait()
    mine.hold("engine")
    mine.release("engine")


def test_who_was_refused_does_not_count_as_a_user(tmp_path: Path) -> None:
    mine, other = StateFolder(tmp_path), StateFolder(tmp_path)
    mine.hold("one")
    with pytest.raises(RuntimeUnavailable):
        other.hold("two")
    other.release("two")
    with pytest.raises(RuntimeUnavailable):
        other.hold("two")
    mine.release("one")


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(RuntimeUnavailable, match="cannot be managed: its state directory cannot be locked: "):
        StateFolder(tmp_path / "state").hold("engine")
