"""The last lines of what an engine wrote, whatever it wrote."""

from __future__ import annotations

from gateway.runtimes.log_lines import LONGEST_LINE, TAIL_BYTES, last_bytes, last_lines


def test_the_last_lines_come_oldest_first() -> None:
    assert last_lines(b"one\r\n\ntwo \xff\nthree", 3) == ["", "two \ufffd", "three"]
    assert last_lines(b"one\ntwo\n", 9) == ["one", "two"]
    assert last_lines(b"", 9) == last_lines(b"one", 0) == last_lines(b"one", -1) == []


def test_a_line_without_measure_keeps_its_beginning_and_its_end() -> None:
    """Progress bars write no line breaks, and the cause of a failure comes last."""
    (line,) = last_lines(b"first" + b"x" * TAIL_BYTES + b"last\n", 5)
    assert len(line) == LONGEST_LINE
    assert line.startswith("firstx")
    assert line.endswith("xlast")
    assert "x…x" in line


def test_a_line_as_long_as_allowed_stays_whole() -> None:
    line = "y" * LONGEST_LINE
    assert last_lines(line.encode(), 1) == [line]


def test_a_stream_of_any_length_leaves_its_last_bytes() -> None:
    parts = (bytes([number % 256]) * 65_536 for number in range(100))
    kept = last_bytes(parts)
    assert len(kept) == TAIL_BYTES
    assert (kept[0], kept[-1]) == (84, 99)


def test_a_single_huge_part_is_cut_as_well() -> None:
    assert last_bytes([b"x" * (3 * TAIL_BYTES), b"end"]) == b"x" * (TAIL_BYTES - 3) + b"end"
    assert last_bytes([]) == b""
