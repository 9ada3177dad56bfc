"""Making and revoking keys: rules on a list of them. Pure but for chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.auth.key_file import KeyTrouble
from gateway.auth.keys import Key, KeyState
from gateway.auth.rates import Rate
from gateway.auth.tokens import digest_of, id_in, new_id, new_token
from gateway.config.problems import did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class Order:
    """The key that somebody wants. See `Key`; name: as `check_name` lets it pass."""

    name: str
    hosts: tuple[str, ...] | None = None
    rate: Rate | None = None
    expires: datetime | None = None
    admin: bool = False


def issue(keys: list[Key], order: Order, now: datetime) -> tuple[Key, str]:
    """Adds a new key to the list. Returns it with its token, which nothing can show again.

    now: in whole seconds. Raises KeyTrouble if an active key has this name.
    """
    _check_free(keys, order.name, now)
    taken = {key.id for key in keys} | {key.name for key in keys} | {order.name}
    key_id = next(candidate for candidate in iter(new_id, None) if candidate not in taken)
    token = new_token(key_id)
    key = Key(
        id=key_id,
        name=order.name,
        sha256=digest_of(token.encode()).hex(),
        hosts=order.hosts,
        admin=order.admin,
        rate=order.rate,
        created=now,
        expires=order.expires,
        revoked=None,
    )
    keys.append(key)
    return key, token


def revoke(keys: list[Key], word: str, now: datetime) -> tuple[Key, bool]:
    """Revokes the key with this id, or the active one with this name. A whole token is understood as its id.

    Returns the key, and whether that changed anything: what is revoked stays as it is. Raises KeyTrouble.
    """
    key = _meant(keys, word, now)
    if key.revoked is not None:
        return key, False
    revoked = key.model_copy(update={"revoked": now})
    keys[keys.index(key)] = revoked
    return revoked, True


def _check_free(keys: list[Key], name: str, now: datetime) -> None:
    """A name that is some key's id would make two keys answer to one word."""
    for key in keys:
        if key.id == name:
            raise KeyTrouble(f"{quoted(name)} is the id of a key; choose another name")
        if key.name == name and key.state_at(now) is KeyState.ACTIVE:
            another = _free_name(keys, name)
            raise KeyTrouble(
                f"there is an active key {quoted(name)} (id {key.id}); to replace it, create {quoted(another)}, "
                f"put that to use, and then revoke {key.id}"
            )


def _free_name(keys: list[Key], name: str) -> str:
    taken = {key.name for key in keys} | {key.id for key in keys}
    number = 2
    while f"{name[:58]}-{number}" in taken:
        number += 1
    return f"{name[:58]}-{number}"


def _meant(keys: list[Key], word: str, now: datetime) -> Key:
    wanted = id_in(word.encode(errors="replace")) or word
    for key in keys:
        if key.id == wanted:
            return key
    named = [key for key in keys if key.name == wanted]
    if not named:
        if word.startswith("wg_"):  # perhaps a token: it is not repeated
            raise KeyTrouble("there is no key with this token")
        raise KeyTrouble(f"there is no key {quoted(word)}{did_you_mean(word, _words_of(keys))}")
    # At most one is active. Else the newest: it can only be expired, or revoked already.
    active = [key for key in named if key.state_at(now) is KeyState.ACTIVE]
    return (active or named)[-1]


def _words_of(keys: Iterable[Key]) -> list[str]:
    return [word for key in keys for word in (key.name, key.id)]
