"""The result: rows with a target and a verdict, as plain text and as a Markdown section."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).with_name("RESULTS.md")
_TITLE = "# Results\n\nNewest first. Written by `python -m bench --write`; what each figure is: README.md.\n"
_HEADINGS = ("figure", "measured", "rounds (min - max)", "reference", "target", "")


@dataclass(frozen=True)
class Target:
    """A bound that belongs to the promise of the product."""

    kind: Literal["at most", "at least"]
    bound: float

    def met_by(self, value: float) -> bool:
        return value <= self.bound if self.kind == "at most" else value >= self.bound


@dataclass(frozen=True)
class Row:
    """One figure.

    values: what each round gave. unit: "ms", "MB", or "" for a ratio. reference: what it was measured against.
    worst: the worst value is the figure, not the median: the smallest where the target is a lower bound, else the
    largest. note: absolute numbers behind the figure, for the reader.
    """

    name: str
    values: Sequence[float]
    unit: str
    reference: str
    target: Target | None = None
    worst: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        if not self.worst:
            return statistics.median(self.values)
        lower = self.target is not None and self.target.kind == "at least"
        return min(self.values) if lower else max(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "information"
        return "met" if self.target.met_by(self.value) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        spread = f"{len(self.values)} ({self._number(min(self.values))} - {self._number(max(self.values))})"
        shown = f"{self._number(self.value)} {self.unit}".strip()
        return self.name, shown, spread, self.reference, self._bound(), self.verdict

    def _bound(self) -> str:
        if self.target is None:
            return "-"
        sign = "≤" if self.target.kind == "at most" else "≥"
        return f"{sign} {self.target.bound:g} {self.unit}".strip()

    def _number(self, value: float) -> str:
        if isinstance(value, int):  # a count
            return str(value)
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


@dataclass(frozen=True)
class Failure:
    """A figure that could not be measured, and why."""

    name: str
    reason: str

    def cells(self) -> tuple[str, ...]:
        return self.name, "-", "-", "-", "-", "FAILED"


def plain(rows: Sequence[Row | Failure]) -> str:
    """The table for a terminal, and the notes below it."""
    table = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, "", *_notes(rows)])


def section(rows: Sequence[Row | Failure], command: str, machine: str) -> str:
    """The table as a section of RESULTS.md."""
    today = dt.datetime.now(tz=dt.UTC).date()
    table = [_HEADINGS, ("---",) * len(_HEADINGS), *(row.cells() for row in rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([f"## {today}", "", f"{machine}. `{command}`", "", *lines, "", *_notes(rows), ""])


def write(text: str, path: Path = RESULTS) -> None:
    """Puts a section on top of the results file."""
    older = path.read_text().removeprefix(_TITLE) if path.exists() else ""
    path.write_text(f"{_TITLE}\n{text}{older}")


def machine(*programs: str) -> str:
    """The machine in general words, such as "2 cores, 24 GB, Debian 12, Python 3.11"."""
    system = platform.freedesktop_os_release()
    name = f"{system['ID'].capitalize()} {system.get('VERSION_ID', '')}".strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = ".".join(platform.python_version_tuple()[:2])
    return ", ".join([f"{len(os.sched_getaffinity(0))} cores", f"{memory:.0f} GB", name, f"Python {python}", *programs])


def _notes(rows: Sequence[Row | Failure]) -> list[str]:
    notes = [(row.name, row.note if isinstance(row, Row) else row.reason) for row in rows]
    return [f"- {name}: {note}" for name, note in notes if note]
