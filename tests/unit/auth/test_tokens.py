"""The text of an API key."""

from __future__ import annotations

import re

import pytest

from gateway.auth.tokens import digest_of, id_in, new_id, new_token


def test_a_token_is_one_word_for_a_double_click() -> None:
    for _ in range(200):
        key_id = new_id()
        assert re.fullmatch(rf"wg_{key_id}_[0-9A-Za-z]{{43}}", new_token(key_id))


def test_the_id_can_be_read_from_a_token() -> None:
    key_id = new_id()
    assert id_in(new_token(key_id).encode()) == key_id


def test_no_two_are_alike() -> None:
    assert len({new_id() for _ in range(2000)}) == 2000
    assert len({new_token("a" * 10) for _ in range(2000)}) == 2000


def test_every_character_of_the_secret_varies() -> None:
    secrets = [new_token("a" * 10)[-43:] for _ in range(500)]
    assert all(len(set(column)) > 10 for column in list(zip(*secrets, strict=True))[1:])


GOOD = b"wg_abcdefgh23_" + b"x" * 43


@pytest.mark.parametrize(
    "text",
    [
        b"", b"wg_", b"sk-proj-abc", GOOD[:-1], GOOD + b"x", GOOD + b"\n", b" " + GOOD, GOOD.upper(), b"WG_" + GOOD[3:],
        GOOD.replace(b"2", b"1"), GOOD[:-1] + b"-", GOOD[:-1] + b"\xff", GOOD[:-2] + "é".encode(), GOOD[:-1] + b"\0",
        GOOD * 1000,
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_token_has_no_id(text: bytes) -> None:
    assert id_in(GOOD) == "abcdefgh23"
    assert id_in(text) is None


def test_a_digest_depends_on_every_part_of_the_token() -> None:
    assert len(digest_of(GOOD)) == 32
    assert len({digest_of(GOOD), digest_of(GOOD[:-1] + b"y"), digest_of(GOOD.replace(b"abc", b"abd"))}) == 3
