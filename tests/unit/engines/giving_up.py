"""A checkpoint that lets work begin and then ends it."""

from __future__ import annotations


class Enough(Exception):
    pass


class Checkpoint:
    """Raises Enough when it is called for the third time. looks: how often it was called."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> None:
        self.looks += 1
        if self.looks == 3:
            raise Enough
