"""Checkpoints that count, and one that ends the work."""

from __future__ import annotations


class Stopped(BaseException):
    """As anyio's cancellation, which is no Exception either."""


class Checkpoint:
    """Raises Stopped when it is called for the time `last`; None for never. looks: how often it was called."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.looks = 0

    def __call__(self) -> None:
        self.looks += 1
        if self.looks == self.last:
            raise Stopped


def never() -> None:
    pass
