"""An engine's log file."""

from __future__ import annotations

from pathlib import Path

from gateway.runtimes.log_lines import LONGEST_LINE, TAIL_BYTES
from gateway.runtimes.process_log import ROTATE_ABOVE, SHORTEN_ABOVE, ProcessLog


def test_a_log_that_has_grown_is_begun_anew_and_kept_once(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "engines" / "x.log")
    with log.open() as file:
        file.write(b"first\n" + b"x" * ROTATE_ABOVE)
    with log.open() as file:
        file.write(b"second\n")
    assert log.path.read_bytes() == b"second\n"
    assert log.older.read_bytes().startswith(b"first\n")
    with log.open() as file:
        file.write(b"third\n")
    assert log.path.read_bytes() == b"second\nthird\n"


def test_the_tail_reaches_back_into_the_older_file(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    log.older.write_text("a\nb\nc\n")
    log.path.write_text("d\ne\n")
    assert log.tail(3) == ["c", "d", "e"]
    assert log.tail(1) == ["e"]
    assert log.tail(100) == ["a", "b", "c", "d", "e"]
    assert log.tail(0) == log.tail(-1) == []


def test_a_missing_or_empty_log_has_no_lines(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    assert log.tail(10) == []
    log.path.touch()
    assert log.tail(10) == []


def test_lines_without_an_end_and_of_other_systems(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    log.path.write_bytes(b"one\r\n\ntwo \xff\nthree")
    assert log.tail(4) == ["one", "", "two \ufffd", "three"]


def test_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    log.path.write_bytes(b"y" * (3 * TAIL_BYTES) + b"\nlast\n")
    lines = log.tail(2)
    assert lines[-1] == "last"
    assert len(lines[0]) == LONGEST_LINE


def test_a_log_that_grows_while_its_engine_runs_is_shortened_to_its_end(tmp_path: Path) -> None:
    """The engine goes on writing to the same file, and begins where it now ends."""
    log = ProcessLog(tmp_path / "x.log")
    with log.open() as engine:
        engine.write(b"x" * SHORTEN_ABOVE + b"\nbefore\n")
        engine.flush()
        log.keep_short()
        engine.write(b"after\n")
    assert log.path.read_bytes() == b"after\n"
    assert log.older.stat().st_size == TAIL_BYTES
    assert log.tail(2) == ["before", "after"]


def test_a_log_of_moderate_size_is_left_alone(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    log.keep_short()
    log.path.write_bytes(b"x" * SHORTEN_ABOVE)
    log.keep_short()
    assert log.path.stat().st_size == SHORTEN_ABOVE
    assert not log.older.exists()


def test_a_log_is_shortened_even_if_its_end_cannot_be_kept(tmp_path: Path) -> None:
    """A full disk is when it matters most."""
    log = ProcessLog(tmp_path / "x.log")
    log.path.write_bytes(b"x" * (SHORTEN_ABOVE + 1))
    log.older.mkdir()
    log.keep_short()
    assert log.path.stat().st_size == 0
