"""A container that is made anew: the old one is removed, and the new one is there a moment later.

Compose does that in an upgrade, and whoever removes and creates by hand. Who asks for the engine in between waits.
"""

from __future__ import annotations

import time

SECONDS = 10.0
"""How long a container that was removed is expected to come again: Docker takes its time where much is to be done."""


class Succession:
    """What is known of one engine's container."""

    def __init__(self) -> None:
        self._was_there = False
        self._gone_since: float | None = None

    def seen(self) -> None:
        """It is there."""
        self._was_there = True
        self._gone_since = None

    def missed(self) -> None:
        """It is not there, or about to be gone."""
        if self._gone_since is None:
            self._gone_since = time.monotonic()

    @property
    def expected(self) -> bool:
        """Whether it was removed so lately that a new one may be on its way."""
        gone_since = self._gone_since
        return self._was_there and gone_since is not None and time.monotonic() - gone_since < SECONDS
