"""What can go wrong in a benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """A figure could not be measured: a wrong answer, a program that did not start, a deadline that passed."""


class TimeUpError(Exception):
    """The time for all figures together is over. No BenchError: nothing below the top may take it for a failed step."""


class MissingError(BenchError):
    """A program or service that the measurement needs is not here. The message says what to do about it."""
