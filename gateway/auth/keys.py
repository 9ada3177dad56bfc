"""What is known of an API key: everything but the key itself."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from gateway.auth.rates import Rate, parse_rate
from gateway.auth.tokens import ID_PATTERN
from gateway.config import names

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
check_name: Callable[[str], str] = names.shaped(
    NAME_PATTERN, "a name for a key", 'use letters without accents, digits, "-", "_", ".", "@" and "+", at most 64'
)
"""The name, if it may be one. Raises ValueError with a remedy."""


class KeyState(enum.Enum):
    """Only an active key opens the door."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def _rate(value: object) -> Rate:
    return value if isinstance(value, Rate) else parse_rate(str(value))


class Key(BaseModel):
    """One key, as it is written in the file: every field must be there, and no other.

    id: public, see `tokens`. sha256: of the token, in hexadecimal. hosts: the hostnames it opens; None is all of them.
    admin: may wake engines, put them to sleep and read their logs. rate: None is no limit. expires, revoked: None is
    never, and not yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    hosts: tuple[str, ...] | None
    admin: bool
    rate: Annotated[Rate, PlainValidator(_rate), PlainSerializer(str)] | None
    created: AwareDatetime
    expires: AwareDatetime | None
    revoked: AwareDatetime | None

    @property
    def ends(self) -> float:
        """The Unix time from which on the key is no good: long ago if it was revoked, in eternity if it never expires.

        A revoked key is revoked, whatever the clock says today.
        """
        if self.revoked is not None:
            return -math.inf
        return math.inf if self.expires is None else self.expires.timestamp()

    def state_at(self, now: datetime) -> KeyState:
        if self.revoked is not None:
            return KeyState.REVOKED
        return KeyState.EXPIRED if self.ends <= now.timestamp() else KeyState.ACTIVE
