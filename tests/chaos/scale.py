"""How hard the trials try: a short form for every run of the tests, a long form for `make chaos`.

CHAOS=long        the long form
CHAOS_SEED=123    the run whose seed was printed, again
"""

from __future__ import annotations

import os
import random
from typing import TypeVar

LONG = os.environ.get("CHAOS") == "long"
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**9))

T = TypeVar("T")


def scaled(short: T, long: T) -> T:
    """The one of the two that this run's form asks for."""
    return long if LONG else short


def source_for(name: str) -> random.Random:
    """A source of randomness of a trial's own: it draws the same, whichever trials ran before."""
    return random.Random(f"{SEED}:{name}")
