"""The table of `whisper-gateway status`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.table import engine_table
from gateway.lifecycle.phases import Phase


def row(**facts: Any) -> dict[str, Any]:
    return {
        "name": "whisper", "phase": "asleep", "uptime": None, "serving": 0, "waiting": 0, "idle_in": None,
        "hosts": ["whisper.test"], "failure": None, **facts,
    }  # fmt: skip


def shown(capsys: pytest.CaptureFixture[str], *engines: dict[str, Any]) -> list[list[str]]:
    engine_table(list(engines))
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_what_is_not_known_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, row())[1] == ["whisper", "asleep", "-", "0", "0", "-", "whisper.test"]


def test_spans_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    engine = row(phase="ready", uptime=3725.2, serving=2, waiting=1, idle_in=0.4, hosts=["a.test", "b.test"])
    assert shown(capsys, engine)[1] == ["whisper", "ready", "1h2m5s", "2", "1", "0s", "a.test,", "b.test"]


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_can_be_shown(capsys: pytest.CaptureFixture[str], phase: Phase) -> None:
    assert shown(capsys, row(phase=phase.value))[1][1] == phase.value


def test_a_failure_is_told_below_and_its_brackets_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, row(phase="failed", failure="exited with code 1 [red]x[/]"))
    assert " ".join(lines[2]) == "whisper exited with code 1 [red]x[/]"


def test_without_a_terminal_there_are_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    engine_table([row(phase="ready")])
    assert "\x1b" not in capsys.readouterr().out


def test_a_failure_is_one_line_so_that_the_command_in_it_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    failure = "has no container: create it with `docker compose -p a-rather-long-name-of-a-project create whisperx`"
    assert shown(capsys, row(phase="failed", failure=failure))[-1] == ["whisper", *failure.split()]
