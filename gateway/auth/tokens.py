"""The text of an API key: `wg_<id>_<secret>`.

The id is public: it finds the key in the file, and may be logged. The secret is 256 random bits in letters and digits,
so that a double click selects the whole token. What is kept of a token is its SHA-256. A slow hash, as for passwords,
would add nothing: it makes guessing dear where people choose the secret, and nobody guesses 256 random bits; but every
request would pay for it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string

ID_PATTERN = r"^[a-z2-7]{10}$"
"""Base32 in lower case, without the digits that look like letters: 50 bits."""

_ID_ALPHABET = string.ascii_lowercase + "234567"
_SECRET_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43  # 62 ** 43 is a little more than 2 ** 256
_TOKEN = re.compile(rb"wg_([a-z2-7]{10})_[0-9A-Za-z]{43}")


def new_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(10))


def new_token(key_id: str) -> str:
    """A new secret for the key with this id. It is kept nowhere."""
    number, secret = secrets.randbits(256), ""
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, len(_SECRET_ALPHABET))
        secret += _SECRET_ALPHABET[digit]
    return f"wg_{key_id}_{secret}"


def id_in(token: bytes) -> str | None:
    """The id in a token; None if this does not look like one of ours."""
    found = _TOKEN.fullmatch(token)
    return found[1].decode() if found else None


def digest_of(token: bytes) -> bytes:
    """What is kept of a token, and compared: 32 bytes."""
    return hashlib.sha256(token).digest()
