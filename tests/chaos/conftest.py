"""Every trial has a source of randomness that its seed reproduces, and tells what it measured."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Generator, Iterator

import pytest

from tests.chaos import report
from tests.chaos.scale import SEED, source_for
from tests.e2e.conftest import make_engine

__all__ = ["make_engine"]
"""Fixtures of others."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:  # the verdict of a trial is its test's
    outcome = yield
    trial = item.stash.get(TRIAL, None)
    if trial is not None and call.when == "call":
        trial.met, trial.seconds = outcome.passed, call.duration
    return outcome


TRIAL = pytest.StashKey[report.Trial]()


@pytest.fixture
def source(request: pytest.FixtureRequest) -> random.Random:
    return source_for(request.node.name)


@pytest.fixture
def trial(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[report.Trial]:
    """Where a trial says what it must show, and what it has measured."""
    made = request.node.stash[TRIAL] = report.Trial(request.node.name)
    print(f"CHAOS_SEED={SEED}")  # noqa: T201 - shown where it fails
    yield made
    report.TRIALS.append(made)
    with capsys.disabled():
        sys.stdout.write(f"\n{made.line}\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """CHAOS_WRITE=1 puts the table on top of bench/RESULTS.md."""
    if not report.TRIALS:
        return
    terminalreporter.section(f"chaos, CHAOS_SEED={SEED}")
    for line in report.table(report.TRIALS):
        terminalreporter.write_line(line)
    if os.environ.get("CHAOS_WRITE") == "1":
        from bench import table

        table.write(report.section(report.TRIALS, table.machine()))
