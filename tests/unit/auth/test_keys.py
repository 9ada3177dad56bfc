"""What is known of a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.auth.keys import Key, KeyState, check_name

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)


def key(**facts: Any) -> Key:
    plain: dict[str, Any] = {
        "id": "abcdefgh23", "name": "ci", "sha256": "5" * 64, "hosts": None, "admin": False, "rate": None,
        "created": NOON, "expires": None, "revoked": None,
    }  # fmt: skip
    return Key(**{**plain, **facts})


def test_a_key_is_good_until_the_moment_it_expires() -> None:
    short = key(expires=NOON)
    assert short.state_at(NOON - A_SECOND) is KeyState.ACTIVE
    assert short.state_at(NOON) is KeyState.EXPIRED


def test_without_an_end_it_is_good_for_ever() -> None:
    assert key().state_at(datetime.max.replace(tzinfo=UTC)) is KeyState.ACTIVE


@pytest.mark.parametrize("now", [NOON - timedelta(days=9999), NOON, NOON + timedelta(days=9999)])
def test_a_revoked_key_is_revoked_whatever_the_clock_says(now: datetime) -> None:
    """A clock that was put back brings no key back."""
    gone = key(revoked=NOON, expires=NOON)
    assert gone.state_at(now) is KeyState.REVOKED
    assert gone.ends < 0


def test_a_clock_behind_its_making_makes_no_key_invalid() -> None:
    assert key().state_at(NOON - timedelta(days=9999)) is KeyState.ACTIVE


def test_the_hash_is_not_in_what_is_printed() -> None:
    assert "5555" not in repr(key()) + str(key())


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "ABCDEFGH23"}, {"id": "abc"}, {"id": "abcdefgh23\n"}, {"sha256": "5" * 63}, {"sha256": "G" * 64},
        {"name": ""}, {"name": "a b"}, {"name": "a\x1b[2J"}, {"name": "x" * 65}, {"admin": 1}, {"admin": "false"},
        {"hosts": "a.test"}, {"hosts": [1]}, {"rate": "60"}, {"rate": 60}, {"expires": "soon"},
        {"expires": NOON.replace(tzinfo=None)}, {"surprise": 1},
    ],
)  # fmt: skip
def test_a_field_that_is_not_understood_is_refused(wrong: dict[str, Any]) -> None:
    """It could be a limit."""
    with pytest.raises(ValidationError):
        key(**wrong)


@pytest.mark.parametrize("name", ["ci", "anna@laptop-2", "GitHub.Actions_v2+x", "7", "x" * 64])
def test_a_name_may_be_this(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "é", "x" * 65, "a\n", "--name"])
def test_a_name_that_would_be_trouble_in_a_terminal_or_a_log_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name for a key"):
        check_name(name)
