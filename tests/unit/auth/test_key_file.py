"""The file of keys: never half written, never half understood."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import key_file
from gateway.auth.key_file import KeyFile, KeysDamaged, KeyTrouble
from gateway.auth.rates import Rate
from tests.unit.auth.conftest import Make

CREATING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.auth.issuing import Order, issue
from gateway.auth.key_file import KeyFile
for number in range(int(sys.argv[3])):
    with KeyFile(Path(sys.argv[1])).changing() as keys:
        key, _ = issue(keys, Order(f"{sys.argv[2]}-{number}"), datetime.now(UTC))
    print(key.id, flush=True)
"""
"""Makes so many keys, one after the other, and prints the id of each that is safe."""


def creating(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CREATING, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_without_a_file_there_are_no_keys(file: KeyFile) -> None:
    assert file.read() == ([], None)


def test_a_key_comes_back_as_it_was(file: KeyFile, make: Make) -> None:
    plain, _ = make("plain")
    full, token = make("full", hosts=("a.test", "b.test"), rate=Rate(60, "m"), admin=True, expires=plain.created)
    keys, mark = file.read()
    assert keys == [plain, full]
    assert mark == key_file.mark_of(file.path.stat())
    assert token.rpartition("_")[2] not in file.path.read_text()


def test_it_is_for_its_owner_alone(file: KeyFile, make: Make) -> None:
    make()
    for path in (file.path, file.path.with_name("keys.lock")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_not_changed_is_not_written(file: KeyFile, make: Make) -> None:
    make()
    before = file.read()
    with file.changing():
        pass
    assert file.read() == before


def test_a_change_that_fails_is_none(file: KeyFile, make: Make) -> None:
    make()
    before = file.read()
    with pytest.raises(RuntimeError), file.changing() as keys:  # noqa: PT012 - it fails after a change
        keys.clear()
        raise RuntimeError
    assert file.read() == before


def test_the_folder_is_made_if_need_be_for_its_owner_alone(tmp_path: Path) -> None:
    with KeyFile(tmp_path / "a" / "state").changing():
        pass
    assert stat.S_IMODE((tmp_path / "a" / "state").stat().st_mode) == 0o700


def _without(field: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["keys"][0].pop(field)


def _with(**facts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["keys"][0].update(facts)


FIELDS = ("id", "name", "sha256", "hosts", "admin", "rate", "created", "expires", "revoked")


@pytest.mark.parametrize(
    "damage",
    [
        *map(_without, FIELDS),  # a key whose limits got lost must not open everything
        _with(extra=1), _with(rate="60"), _with(hosts="a.test"), _with(sha256=""), _with(admin="no"),
        _with(expires="soon"), _with(name="a\u001b[2J"), _with(name="\ud800"),
        lambda content: content["keys"].append(content["keys"][0]),
        lambda content: content.pop("keys"), lambda content: content.update(more=1),
        lambda content: content.update(keys={}),
    ],
)  # fmt: skip
def test_a_file_that_is_not_wholly_understood_is_damaged(
    file: KeyFile, make: Make, damage: Callable[[dict[str, Any]], None]
) -> None:
    make()
    content = json.loads(file.path.read_text())
    damage(content)
    file.path.write_text(json.dumps(content))
    with pytest.raises(KeysDamaged) as raised:
        file.read()
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{file.path} is damaged (")
    assert line.endswith("restore it from a backup, or remove it and create all keys anew")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4096, b"{", b"[]", b"null", b"[" * 200_000, b'{"version": 1, "keys": [', b"\xff\xfe", b"9" * 10_000],
)
def test_rubbish_is_told_in_one_line(file: KeyFile, content: bytes) -> None:
    file.path.write_bytes(content)
    with pytest.raises(KeysDamaged, match="is damaged") as raised:
        file.read()
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 500


def test_a_file_of_a_later_version_is_not_damaged(file: KeyFile) -> None:
    file.path.write_text('{"version": 2, "keys": []}')
    with pytest.raises(KeysDamaged, match="was written by another version of the gateway"):
        file.read()


def test_damage_is_not_written_over(file: KeyFile, make: Make) -> None:
    file.path.write_text("damaged")
    with pytest.raises(KeyTrouble):
        make()
    assert file.path.read_text() == "damaged"


@pytest.mark.parametrize("make_obstacle", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_told_and_does_not_block(file: KeyFile, make_obstacle: Callable[[Path], None]) -> None:
    make_obstacle(file.path)
    with pytest.raises(KeysDamaged, match=r"is not a file; remove it"):
        file.read()


def test_a_file_without_end_is_not_read(file: KeyFile) -> None:
    with file.path.open("wb") as sparse:
        sparse.truncate(key_file.LARGEST + 1)
    with pytest.raises(KeysDamaged, match="too large"):
        file.read()


def test_a_file_that_cannot_be_read_is_told(file: KeyFile) -> None:
    file.path.symlink_to(file.path.name)
    with pytest.raises(KeyTrouble, match="cannot be read: Too many levels of symbolic links"):
        file.read()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(KeyTrouble, match="cannot be used: "), KeyFile(tmp_path / "state").changing():
        pass


def test_a_link_in_the_locks_place_is_not_followed(file: KeyFile, tmp_path: Path) -> None:
    file.path.with_name("keys.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyTrouble, match=r"keys\.lock cannot be used"), file.changing():
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_who_waits_in_vain_for_the_lock_is_told(file: KeyFile, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(key_file, "PATIENCE", 0.05)
    with file.path.with_name("keys.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(KeyTrouble, match="another command is changing"), file.changing():
            pass


def test_many_processes_lose_no_key(file: KeyFile) -> None:
    processes = [creating(file.path.parent, f"p{number}", 15) for number in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        printed = [id_ for output, _ in pool.map(subprocess.Popen.communicate, processes) for id_ in output.split()]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(key.id for key in file.read()[0]) == sorted(printed)
    assert len(printed) == 60


def test_a_process_killed_at_any_moment_leaves_every_key_that_was_safe(file: KeyFile) -> None:
    safe: list[str] = []
    for number in range(6):
        process = creating(file.path.parent, f"p{number}", 10_000)
        assert process.stdout is not None
        safe += [process.stdout.readline().strip() for _ in range(3 + number)]
        process.send_signal(signal.SIGKILL)
        safe += process.stdout.read().split()
        process.wait()
        process.stdout.close()
        keys = [key.id for key in file.read()[0]]
        assert keys[: len(safe)] == safe or set(safe) <= set(keys)
    with file.changing() as changed:  # the lock went with the process
        changed.clear()
    assert file.read()[0] == []
