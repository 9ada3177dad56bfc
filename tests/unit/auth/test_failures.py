"""Who shows wrong keys is not listened to for a while, and nobody else suffers for it."""

from __future__ import annotations

import pytest

from gateway.auth.failures import ALLOWED, Failures
from gateway.auth.rates import Rate

GOOD, BAD = b"g" * 32, b"b" * 32


def exhausted(address: str = "192.0.2.1", now: float = 100.0) -> Failures:
    failures = Failures()
    for _ in range(ALLOWED.count):
        assert failures.wait(address, BAD, now) == 0
        failures.failed(address, now)
    return failures


def test_after_so_many_wrong_keys_an_address_is_not_listened_to() -> None:
    assert exhausted().wait("192.0.2.1", BAD, 100.0) == pytest.approx(3, abs=0.1)


def test_time_heals() -> None:
    failures = exhausted()
    assert failures.wait("192.0.2.1", BAD, 103.0) == 0
    failures.failed("192.0.2.1", 103.0)
    assert failures.wait("192.0.2.1", BAD, 103.0) > 0


def test_others_are_not_held_to_account() -> None:
    assert exhausted().wait("192.0.2.2", BAD, 100.0) == 0


def test_a_key_that_has_worked_from_there_goes_on_working() -> None:
    """A neighbour behind the same router must not lock out a good client."""
    failures = Failures()
    failures.succeeded("192.0.2.1", GOOD)
    for _ in range(100):
        failures.failed("192.0.2.1", 100.0)
    assert failures.wait("192.0.2.1", GOOD, 100.0) == 0
    assert failures.wait("192.0.2.1", BAD, 100.0) > 0
    assert failures.wait("192.0.2.1", None, 100.0) > 0


def test_a_key_that_has_worked_elsewhere_is_no_pass() -> None:
    failures = exhausted()
    failures.succeeded("192.0.2.2", GOOD)
    assert failures.wait("192.0.2.1", GOOD, 100.0) > 0


def test_an_ipv6_customer_is_one_whatever_address_is_used() -> None:
    failures = exhausted("2001:db8:1:2::1")
    assert failures.wait("2001:db8:1:2:ffff::9", BAD, 100.0) > 0
    assert failures.wait("2001:db8:1:3::1", BAD, 100.0) == 0


def test_memory_is_bounded_however_many_addresses_there_are() -> None:
    failures = Failures(Rate(1, "h"), remembered=10)
    for number in range(1000):
        failures.failed(f"10.0.{number // 250}.{number % 250}", 0.0)
        failures.succeeded(f"10.1.{number // 250}.{number % 250}", GOOD)
    assert (len(failures._buckets), len(failures._good)) == (10, 10)


def test_the_youngest_are_remembered() -> None:
    failures = Failures(Rate(1, "h"), remembered=10)
    failures.succeeded("192.0.2.1", GOOD)
    for number in range(100):
        failures.failed("192.0.2.1", 0.0)
        failures.failed(f"10.0.0.{number}", 0.0)
        failures.succeeded(f"10.0.0.{number}", GOOD)
        failures.succeeded("192.0.2.1", GOOD)
    assert failures.wait("192.0.2.1", BAD, 0.0) > 0
    assert failures.wait("192.0.2.1", GOOD, 0.0) == 0
