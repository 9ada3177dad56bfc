"""The keyring always knows what the file says, and goes on with what it knows when the file says nothing."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.auth.issuing import revoke
from gateway.auth.key_file import KeyFile
from gateway.auth.keyring import Keyring
from gateway.auth.rates import Rate
from tests.unit.auth.conftest import Make


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


def is_active(keyring: Keyring, key_id: str) -> bool:
    held = keyring.find(key_id)
    return held is not None and held.ends > datetime.now(UTC).timestamp()


def events(log: list[Any]) -> list[str]:
    return [line["event"] for line in log]


def test_without_a_file_there_is_nothing_and_never_was(keyring: Keyring) -> None:
    assert keyring.find("abcdefgh23") is None
    assert not keyring.ever


def test_a_new_key_is_known_at_once(keyring: Keyring, make: Make) -> None:
    key, _ = make("ci", hosts=("a.test",), admin=True)
    held = keyring.find(key.id)
    assert held is not None
    assert keyring.ever
    assert (held.caller.kind, held.caller.name, held.caller.admin) == ("key", "ci", True)
    assert held.caller.may_use("a.test")
    assert not held.caller.may_use("b.test")


def test_a_revoked_key_is_no_good_from_the_next_look_on(keyring: Keyring, file: KeyFile, make: Make) -> None:
    """However quickly one change follows the other."""
    for number in range(50):
        key, _ = make(f"k{number}")
        assert is_active(keyring, key.id)
        with file.changing() as keys:
            revoke(keys, key.id, datetime.now(UTC))
        assert not is_active(keyring, key.id)


def test_a_key_without_hosts_opens_none(keyring: Keyring, make: Make) -> None:
    """An empty list is not "all"."""
    held = keyring.find(make(hosts=())[0].id)
    assert held is not None
    assert not held.caller.may_use("a.test")


def test_when_the_file_is_removed_no_key_is_good_and_still_nobody_else_is_let_in(
    keyring: Keyring, file: KeyFile, make: Make
) -> None:
    key, _ = make()
    assert is_active(keyring, key.id)
    content = file.path.read_bytes()
    file.path.unlink()
    with capture_logs() as log:
        assert keyring.find(key.id) is None
        assert keyring.find(key.id) is None
    assert keyring.ever
    assert events(log) == ["keys.gone"]
    file.path.write_bytes(content)
    assert is_active(keyring, key.id)


def to_rubbish(path: Path) -> None:
    path.write_text("rubbish")


def to_nothing(path: Path) -> None:
    path.write_text("")


def to_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = [to_rubbish, to_nothing, to_a_folder, to_a_loop]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_leaves_the_last_good_keys_and_is_told_once(
    keyring: Keyring, file: KeyFile, make: Make, damage: Callable[[Path], None]
) -> None:
    key, _ = make()
    assert is_active(keyring, key.id)
    content = file.path.read_bytes()
    damage(file.path)
    with capture_logs() as log:
        assert all(is_active(keyring, key.id) for _ in range(5))
    assert events(log) == ["keys.unreadable"]
    assert str(file.path) in log[0]["reason"]
    file.path.rmdir() if file.path.is_dir() else file.path.unlink()
    file.path.write_bytes(content.replace(b'"revoked": null', b'"revoked": "2026-01-01T00:00:00Z"'))
    with capture_logs() as log:
        assert not is_active(keyring, key.id)
    assert events(log) == ["keys.read"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_gateway_that_starts_with_a_damaged_file_lets_nobody_in(
    tmp_path: Path, file: KeyFile, make: Make, damage: Callable[[Path], None]
) -> None:
    """Not even those who were let in before there were keys."""
    key, _ = make()
    damage(file.path)
    with capture_logs() as log:
        keyring = Keyring(tmp_path)
    assert keyring.ever
    assert keyring.find(key.id) is None
    assert events(log) == ["keys.unreadable"]


def test_damage_costs_no_descriptors(keyring: Keyring, file: KeyFile) -> None:
    file.path.mkdir()
    keyring.look()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        os.utime(file.path)
        keyring.look()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_change_that_could_not_be_read_for_want_of_descriptors_is_read_later(
    keyring: Keyring, file: KeyFile, make: Make
) -> None:
    """Else a key that was revoked under load would stay good for ever."""
    key, _ = make()
    assert is_active(keyring, key.id)
    with file.changing() as keys:
        revoke(keys, key.id, datetime.now(UTC))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with capture_logs() as log:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            assert is_active(keyring, key.id)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert events(log) == ["keys.unreadable"]
    assert not is_active(keyring, key.id)


def test_a_file_that_was_made_readable_is_read_though_its_content_is_the_same(
    keyring: Keyring, file: KeyFile, make: Make
) -> None:
    key, _ = make()
    keyring.look()
    mark = keyring._mark
    file.path.chmod(0o644)
    assert is_active(keyring, key.id)
    assert keyring._mark != mark


def test_a_changed_file_fills_no_bucket(keyring: Keyring, make: Make) -> None:
    key, _ = make("limited", rate=Rate(1, "h"))
    before = keyring.find(key.id)
    assert before is not None
    assert before.bucket is not None
    assert before.bucket.take(0.0) == 0
    make("another")
    after = keyring.find(key.id)
    assert after is not None
    assert after is not before
    assert after.bucket is before.bucket


def test_a_changed_rate_is_a_new_bucket(keyring: Keyring, file: KeyFile, make: Make) -> None:
    key, _ = make("limited", rate=Rate(1, "h"))
    before = keyring.find(key.id)
    file.path.write_text(file.path.read_text().replace("1/h", "2/h"))
    after = keyring.find(key.id)
    assert before is not None
    assert after is not None
    assert after.bucket is not before.bucket
    assert after.bucket is not None
    assert after.bucket.rate == Rate(2, "h")


def test_the_log_tells_how_many_keys_there_are_and_no_more(keyring: Keyring, make: Make) -> None:
    _, token = make()
    with capture_logs() as log:
        keyring.look()
        keyring.look()
    assert log == [{"event": "keys.read", "log_level": "info", "keys": 1, "revoked": 0}]
    assert token[-43:] not in str(log)
