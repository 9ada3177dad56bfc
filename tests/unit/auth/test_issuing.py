"""The rules of making and revoking keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.auth import issuing
from gateway.auth.issuing import Order, issue, revoke
from gateway.auth.key_file import KeyTrouble
from gateway.auth.keys import Key, KeyState
from gateway.auth.tokens import digest_of, id_in

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def test_a_key_is_found_by_its_token_and_holds_only_the_hash() -> None:
    keys: list[Key] = []
    key, token = issue(keys, Order("ci", hosts=("a.test",)), NOON)
    assert keys == [key]
    assert (key.id, key.sha256) == (id_in(token.encode()), digest_of(token.encode()).hex())
    assert (key.name, key.hosts, key.created, key.state_at(NOON)) == ("ci", ("a.test",), NOON, KeyState.ACTIVE)


def test_an_active_name_is_taken_and_the_way_to_rotate_is_told() -> None:
    keys: list[Key] = []
    first, _ = issue(keys, Order("ci"), NOON)
    issue(keys, Order("ci-2"), NOON)
    with pytest.raises(KeyTrouble, match=f'create "ci-3", put that to use, and then revoke {first.id}'):
        issue(keys, Order("ci"), NOON)
    assert len(keys) == 2


def test_the_name_that_is_offered_may_be_used_however_long() -> None:
    keys: list[Key] = []
    issue(keys, Order("x" * 64), NOON)
    with pytest.raises(KeyTrouble) as raised:
        issue(keys, Order("x" * 64), NOON)
    issue(keys, Order(str(raised.value).split('"')[3]), NOON)


@pytest.mark.parametrize("expires", [None, LATER])
def test_a_name_is_free_again_when_its_key_is_no_good_any_more(expires: datetime | None) -> None:
    keys: list[Key] = []
    issue(keys, Order("ci", expires=expires), NOON)
    if expires is None:
        revoke(keys, "ci", NOON)
    second, _ = issue(keys, Order("ci"), LATER)
    assert [key.state_at(LATER) for key in keys].count(KeyState.ACTIVE) == 1
    revoked, changed = revoke(keys, "ci", LATER)
    assert (revoked.id, changed) == (second.id, True)


def test_a_name_that_is_an_id_would_be_two_keys_in_one_word() -> None:
    keys: list[Key] = []
    key, _ = issue(keys, Order("ci"), NOON)
    with pytest.raises(KeyTrouble, match="is the id of a key"):
        issue(keys, Order(key.id), NOON)


def test_an_id_that_is_a_name_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["aaaaaaaaaa", "production", "newestname", "bbbbbbbbbb"])
    monkeypatch.setattr(issuing, "new_id", lambda: next(ids))
    keys: list[Key] = []
    issue(keys, Order("production"), NOON)
    assert issue(keys, Order("newestname"), NOON)[0].id == "bbbbbbbbbb"


@pytest.mark.parametrize("by", ["id", "name", "token"])
def test_a_key_can_be_revoked_by_whatever_is_known_of_it(by: str) -> None:
    """A token found in a public place names its key, too."""
    keys: list[Key] = []
    issue(keys, Order("before"), NOON)
    key, token = issue(keys, Order("ci"), NOON)
    issue(keys, Order("after"), NOON)
    revoked, changed = revoke(keys, {"id": key.id, "name": "ci", "token": token}[by], LATER)
    assert changed
    assert (revoked.id, revoked.revoked) == (key.id, LATER)
    assert [key.state_at(LATER).value for key in keys] == ["active", "revoked", "active"]


def test_revoking_again_changes_nothing() -> None:
    keys: list[Key] = []
    issue(keys, Order("ci"), NOON)
    revoke(keys, "ci", NOON)
    before = keys.copy()
    assert revoke(keys, "ci", LATER) == (before[0], False)
    assert keys == before


def test_an_expired_key_can_be_revoked_for_good() -> None:
    keys: list[Key] = []
    key, _ = issue(keys, Order("ci", expires=NOON), NOON)
    assert revoke(keys, key.id, LATER)[1]


def test_an_unknown_key_is_told_with_what_was_perhaps_meant() -> None:
    keys: list[Key] = []
    issue(keys, Order("website"), NOON)
    with pytest.raises(KeyTrouble, match=r'there is no key "webiste" \(did you mean "website"\?\)'):
        revoke(keys, "webiste", NOON)


def test_a_token_is_never_repeated() -> None:
    with pytest.raises(KeyTrouble) as raised:
        revoke([], "wg_aaaaaaaaaa_" + "s3cret" * 9, NOON)
    assert "s3cret" not in str(raised.value)
