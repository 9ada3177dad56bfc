"""The door: who comes in, as whom, and what keeps the others out."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.auth.door import Door
from gateway.auth.issuing import revoke
from gateway.auth.key_file import KeyFile
from gateway.auth.keyring import Keyring
from gateway.auth.last_used import LastUsed
from gateway.auth.rates import Rate
from gateway.callers import ANYBODY, Caller, Peer, Peers
from gateway.errors import (
    GatewayError,
    KeyMissing,
    KeyRefused,
    ProxyNotTrusted,
    RateLimited,
    TooManyFailures,
)
from tests.fixtures.clock import FakeClock
from tests.unit.auth.conftest import Make

PEERS = Peers(["10.0.0.0/8"])
PROXY, STRANGER = PEERS.of("10.0.0.1"), PEERS.of("192.0.2.1")
UNKNOWN = "wg_aaaaaaaaaa_" + "x" * 43


class House:
    """A door with all that belongs to it. today: the Unix time that it believes."""

    def __init__(self, folder: Path, access: Any = "auto", *, open_by_default: bool = False) -> None:
        self.clock = FakeClock()
        self.today = time.time()
        self.last_used = LastUsed(folder, self.clock)
        self.door = Door(
            access, PEERS, Keyring(folder), self.last_used, ["anna"],
            open_by_default=open_by_default, clock=self.clock, now=lambda: self.today,
        )  # fmt: skip

    def ask(self, *headers: tuple[str, str | bytes], peer: Peer = STRANGER) -> Caller:
        sent = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        return self.door({"headers": [(b"host", b"a.test"), *sent]}, peer)

    def with_key(self, token: str, peer: Peer = STRANGER) -> Caller:
        return self.ask(("authorization", f"Bearer {token}"), peer=peer)

    def refused(self, *headers: tuple[str, str | bytes], peer: Peer = STRANGER) -> GatewayError:
        with pytest.raises(GatewayError) as raised:
            self.ask(*headers, peer=peer)
        return raised.value


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_key_opens_the_door_as_what_it_was_made_for(house: House, make: Make) -> None:
    _, token = make("ci", hosts=("a.test",), admin=True)
    assert house.with_key(token) == Caller("key", "ci", frozenset({"a.test"}), admin=True)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer    "])
def test_the_scheme_may_be_written_as_one_likes(house: House, make: Make, scheme: str) -> None:
    """RFC 9110, section 11.1."""
    _, token = make()
    assert house.ask(("authorization", f"{scheme}{token}")).name == "ci"


def test_without_anything_a_key_is_asked_for(house: House) -> None:
    error = house.refused()
    assert isinstance(error, KeyMissing)
    assert error.status == 401
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "value", ["Basic YW5uYTpzZWNyZXQ=", "", "wg_aaaaaaaaaa_x", "Digest x", "Bearer\twg_x", "Bearerwg_x"]
)
def test_what_is_no_bearer_is_no_key(house: House, value: str) -> None:
    assert isinstance(house.refused(("authorization", value)), KeyMissing)


def test_a_user_whom_a_proxy_names_comes_in(house: House) -> None:
    assert house.ask(("x-remote-user", "bert"), peer=PROXY) == Caller("user", "bert", None, admin=False)
    assert house.ask(("x-remote-user", "anna"), peer=PROXY) == Caller("user", "anna", None, admin=True)


def test_a_password_that_was_passed_on_hinders_no_user(house: House) -> None:
    headers = ("authorization", "Basic YW5uYTpzZWNyZXQ="), ("x-remote-user", "bert")
    assert house.ask(*headers, peer=PROXY).name == "bert"


def test_strangers_cannot_name_themselves(house: House) -> None:
    assert isinstance(house.refused(("x-remote-user", "anna")), KeyMissing)


@pytest.mark.parametrize(
    "name",
    [
        "", " ", " anna", "anna ", "a\tb", "a\x00b", "a\x1b[2Jb", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
        "a\u202eb", "a\u2028b", "a\u200bb", "x" * 257,
    ],
)  # fmt: skip
def test_what_is_no_name_is_nobody(house: House, name: str | bytes) -> None:
    error = house.refused(("x-remote-user", name), peer=PROXY)
    assert isinstance(error, KeyMissing)
    assert (error.__cause__ is None) == (name == "")


@pytest.mark.parametrize("name", ["Anna Müller", "anna@example.org", "安娜", "x" * 256, "DOMAIN\\anna"])
def test_names_are_peoples(house: House, name: str) -> None:
    assert house.ask(("x-remote-user", name), peer=PROXY).name == name


@pytest.mark.parametrize("name", ["Anna", "\u0430nna", "anna,anna", "a"])
def test_only_exactly_an_admin_is_one(house: House, name: str) -> None:
    assert not house.ask(("x-remote-user", name), peer=PROXY).admin


@pytest.mark.parametrize("second", ["bert", "anna", ""])
def test_two_names_are_nobody(house: House, second: str) -> None:
    error = house.refused(("x-remote-user", "bert"), ("x-remote-user", second), peer=PROXY)
    assert isinstance(error, KeyMissing)


@pytest.mark.parametrize("spelling", ["x_remote_user", "remote-user", "x-forwarded-user", "x-remote-user "])
def test_other_headers_name_nobody(house: House, spelling: str) -> None:
    assert isinstance(house.refused((spelling, "anna"), peer=PROXY), KeyMissing)


def test_a_key_is_judged_whatever_the_proxy_says_of_its_holder(house: House, make: Make) -> None:
    _, token = make("ci")
    user = ("x-remote-user", "anna")
    assert house.ask(("authorization", f"Bearer {token}"), user, peer=PROXY).name == "ci"
    assert isinstance(house.refused(("authorization", f"Bearer {UNKNOWN}"), user, peer=PROXY), KeyRefused)


def test_several_authorizations_are_none(house: House, make: Make) -> None:
    """Somebody in between may have looked at the other one."""
    bearer = ("authorization", f"Bearer {make()[1]}")
    basic = ("authorization", "Basic YW5uYTpzZWNyZXQ=")
    for pair in [(bearer, basic), (basic, bearer), (bearer, bearer), (basic, basic)]:
        error = house.refused(*pair, ("x-remote-user", "anna"), peer=PROXY)
        assert isinstance(error, KeyRefused)
        assert str(error.__cause__) == "there are several Authorization headers"


def test_a_client_is_not_told_what_is_wrong_with_its_key_but_the_log_is(
    house: House, file: KeyFile, make: Make
) -> None:
    good, token = make("ci")
    old, expired = make("old", expires=datetime.now(UTC) - timedelta(days=1))
    gone, revoked = make("gone")
    with file.changing() as keys:
        revoke(keys, gone.id, datetime.now(UTC))
    reasons = {
        UNKNOWN: "no key has the id aaaaaaaaaa",
        f"wg_{good.id}_{'x' * 43}": f"the secret of key ci ({good.id}) is wrong",
        expired: f"key old ({old.id}) is expired",
        revoked: f"key gone ({gone.id}) is revoked",
        "sk-proj-secret": "what was sent is not a key of this gateway (wg_...)",
        "": "what was sent is not a key of this gateway (wg_...)",
        f"{token}, Basic x": "what was sent is not a key of this gateway (wg_...)",
        token + "x" * 100_000: "what was sent is not a key of this gateway (wg_...)",
    }
    errors = {text: house.refused(("authorization", f"Bearer {text}")) for text in reasons}
    assert {type(error) for error in errors.values()} == {KeyRefused}
    assert len({error.message for error in errors.values()}) == 1
    assert {text: str(error.__cause__) for text, error in errors.items()} == reasons
    assert not any(text[-43:] in repr((error, error.__cause__)) for text, error in errors.items() if text)


def test_a_key_expires_by_the_day_and_a_clock_that_jumps_harms_no_other(house: House, make: Make) -> None:
    _, short = make("short", expires=datetime.now(UTC) + timedelta(hours=1))
    _, long = make("long")
    house.with_key(short)
    house.today += 3601
    assert isinstance(house.refused(("authorization", f"Bearer {short}")), KeyRefused)
    for jump in (-1e9, 1e9, 1e11):
        house.today += jump
        house.with_key(long)


def test_a_revoked_key_is_refused_at_the_next_request(house: House, file: KeyFile, make: Make) -> None:
    key, token = make()
    house.with_key(token)
    with file.changing() as keys:
        revoke(keys, key.id, datetime.now(UTC))
    assert isinstance(house.refused(("authorization", f"Bearer {token}")), KeyRefused)


def test_the_use_of_a_key_is_noted_and_a_failure_is_not(house: House, make: Make) -> None:
    key, token = make()
    house.refused(("authorization", f"Bearer wg_{key.id}_{'x' * 43}"))
    assert house.last_used._times == {}
    house.with_key(token)
    assert house.last_used._times.keys() == {key.id}


def test_more_than_the_rate_is_refused_until_there_is_room_again(house: House, make: Make) -> None:
    _, token = make("limited", rate=Rate(2, "m"))
    _, other = make("other")
    house.with_key(token)
    house.with_key(token)
    with pytest.raises(RateLimited, match="2 requests a minute") as raised:
        house.with_key(token)
    assert raised.value.status == 429
    assert raised.value.retry_after == pytest.approx(30, abs=0.5)
    house.with_key(other)
    house.clock.advance(raised.value.retry_after or 0)
    house.with_key(token)


def fail(house: House, times: int = 20, peer: Peer = STRANGER, **headers: str) -> None:
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    for _ in range(times):
        error = house.refused(("authorization", f"Bearer {UNKNOWN}"), *more, peer=peer)
        assert isinstance(error, KeyRefused)


def test_who_guesses_is_not_listened_to_any_more(house: House, make: Make) -> None:
    _, token = make()
    fail(house)
    for sent in (f"Bearer {UNKNOWN}", "Bearer x", f"Bearer {token}"):
        error = house.refused(("authorization", sent))
        assert isinstance(error, TooManyFailures)
        assert error.retry_after == pytest.approx(3, abs=0.1)
    house.clock.advance(3)
    house.with_key(token)


def test_what_cannot_be_a_key_counts_too(house: House) -> None:
    for _ in range(10):
        house.refused(("authorization", "Bearer sk-x"))
        house.refused(("authorization", "Bearer a"), ("authorization", "Bearer b"))
    assert isinstance(house.refused(("authorization", "Bearer sk-x")), TooManyFailures)


def test_an_expired_key_is_no_guess(house: House, make: Make) -> None:
    """A forgotten cron job must not lock out the office."""
    _, expired = make("old", expires=datetime.now(UTC) - timedelta(days=1))
    for _ in range(100):
        assert isinstance(house.refused(("authorization", f"Bearer {expired}")), KeyRefused)
    fail(house, 20)


def test_a_neighbours_guesses_lock_out_nobody_who_was_there_before(house: House, make: Make) -> None:
    _, token = make()
    house.with_key(token)
    fail(house)
    house.with_key(token)
    assert isinstance(house.refused(("authorization", f"Bearer {UNKNOWN}")), TooManyFailures)


def test_users_and_keyless_requests_are_neither_counted_nor_stopped(house: House) -> None:
    for _ in range(100):
        house.refused()
    fail(house, peer=PROXY)
    assert house.ask(("x-remote-user", "anna"), peer=PROXY).admin
    assert isinstance(house.refused(peer=PROXY), KeyMissing)


def test_behind_a_proxy_clients_are_told_apart(house: House, make: Make) -> None:
    _, token = make()
    fail(house, peer=PROXY, x_forwarded_for="192.0.2.9")
    bearer = ("authorization", f"Bearer {token}")
    assert isinstance(house.refused(bearer, ("x-forwarded-for", "192.0.2.9"), peer=PROXY), TooManyFailures)
    house.ask(bearer, ("x-forwarded-for", "192.0.2.10"), peer=PROXY)


def test_who_invents_addresses_is_counted_all_the_same(house: House) -> None:
    for number in range(20):
        fail(house, 1, x_forwarded_for=f"198.51.100.{number}")
    assert isinstance(house.refused(("authorization", "Bearer x")), TooManyFailures)
    for number in range(20):
        fail(house, 1, peer=PROXY, x_forwarded_for=f"198.51.100.{number}, 192.0.2.7")
    error = house.refused(("authorization", "Bearer x"), ("x-forwarded-for", "192.0.2.7"), peer=PROXY)
    assert isinstance(error, TooManyFailures)


@pytest.mark.parametrize("sent", ["", ",,,", "not an address", "\xff", "192.0.2.1:99", "[::1]", "x" * 10_000])
def test_an_address_that_is_none_is_the_proxys(house: House, make: Make, sent: str) -> None:
    house.ask(("authorization", f"Bearer {make()[1]}"), ("x-forwarded-for", sent), peer=PROXY)


def test_everybody_means_everybody(tmp_path: Path, make: Make) -> None:
    make()
    house = House(tmp_path, "everybody")
    for headers in ([], [("authorization", "Bearer unused")], [("x-forwarded-for", "192.0.2.1")]):
        assert house.ask(*headers) is ANYBODY


def test_until_there_is_a_key_everybody_on_this_machine_is_let_in(tmp_path: Path, make: Make) -> None:
    """The OpenAI SDK always sends a key; without keys it means nothing."""
    house = House(tmp_path, open_by_default=True)
    assert house.ask() is ANYBODY
    assert house.ask(("authorization", "Bearer unused"), ("x-remote-user", "anna")) is ANYBODY
    _, token = make()
    assert isinstance(house.refused(), KeyMissing)
    assert house.with_key(token).name == "ci"


def test_once_there_was_a_key_nobody_is_let_in_unasked_again(tmp_path: Path, file: KeyFile, make: Make) -> None:
    house = House(tmp_path, open_by_default=True)
    _, token = make()
    house.with_key(token)
    file.path.unlink()
    assert isinstance(house.refused(), KeyMissing)
    assert isinstance(house.refused(("authorization", f"Bearer {token}")), KeyRefused)


@pytest.mark.parametrize("damage", ["", "rubbish"])
def test_a_damaged_file_opens_nothing(tmp_path: Path, file: KeyFile, damage: str) -> None:
    house = House(tmp_path, open_by_default=True)
    assert house.ask() is ANYBODY
    file.path.write_text(damage)
    assert isinstance(house.refused(), KeyMissing)


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded"])
def test_what_an_unknown_proxy_passes_on_is_not_from_this_machine(tmp_path: Path, header: str) -> None:
    house = House(tmp_path, open_by_default=True)
    for value in ("", "192.0.2.1"):
        error = house.refused((header, value))
        assert isinstance(error, ProxyNotTrusted)
        assert str(error.__cause__) == f"the header {header}"


def test_known_means_known_on_this_machine_too(tmp_path: Path) -> None:
    house = House(tmp_path, "known", open_by_default=True)
    assert isinstance(house.refused(), KeyMissing)


def test_where_addresses_are_open_nobody_is_let_in_unasked(tmp_path: Path) -> None:
    assert isinstance(House(tmp_path, "auto", open_by_default=False).refused(), KeyMissing)


HEADER = st.tuples(
    st.sampled_from(["authorization", "x-remote-user", "x-forwarded-for", "x-real-ip", "cookie"]),
    st.one_of(
        st.binary(max_size=100),
        st.sampled_from(["Bearer", "Bearer ", f"Bearer {UNKNOWN}", "Basic x", "", "anna", "10.0.0.1", "::1"]),
        st.text(max_size=50).map(lambda text: text.encode(errors="replace")),
    ),
)


@settings(suppress_health_check=list(HealthCheck))
@given(headers=st.lists(HEADER, max_size=6), trusted=st.booleans())
def test_no_headers_open_the_door_by_accident(tmp_path: Path, headers: list[Any], trusted: bool) -> None:  # noqa: FBT001
    """Only a proxy's word for a user does; everything else is a refusal that can be told."""
    house = House(tmp_path)
    caller = None
    with contextlib.suppress(KeyMissing, KeyRefused, TooManyFailures):
        caller = house.ask(*headers, peer=PROXY if trusted else STRANGER)
    assert caller is None or (trusted and caller.kind == "user")
