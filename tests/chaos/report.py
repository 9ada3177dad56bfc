"""What the trials measured: one line each as they end, and all of them as a table for bench/RESULTS.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from tests.chaos.scale import LONG, SEED

COMMAND = f"CHAOS_SEED={SEED} make chaos" if LONG else f"CHAOS_SEED={SEED} python -m pytest tests/chaos"


@dataclass
class Trial:
    """One trial. test: its name. demand: what it must show. figures: what was measured. met: None while it runs.

    late: whether the short form, which runs beside other tests, has missed a limit of time.
    """

    test: str
    demand: str = ""
    figures: list[str] = field(default_factory=list)
    met: bool | None = None
    late: bool = False
    seconds: float = 0.0

    def must(self, demand: str) -> None:
        """What this trial must show, in a few words."""
        self.demand = demand

    def measured(self, figure: str) -> None:
        """To be said before anything is asserted of it, so that a failure shows its numbers, too."""
        self.figures.append(figure)

    def in_time(self, took: float, limit: float) -> None:
        """A limit of time, seconds. Only the long form, which has the machine to itself, fails by it.

        The short form is over in seconds, beside other tests: its table says "late" then.
        """
        assert took <= limit or not LONG
        self.late |= took > limit

    @property
    def verdict(self) -> str:
        if not self.met:
            return "MISSED"
        return "late beside other tests" if self.late else "met"

    @property
    def line(self) -> str:
        return f"chaos: {self.test}: {'; '.join(self.figures) or 'no figures'} ({self.seconds:.1f} s, seed {SEED})"


TRIALS: list[Trial] = []
"""Those of this run that have something to say."""


def table(trials: list[Trial]) -> list[str]:
    """Rows of Markdown."""
    rows = [("trial", "must show", "measured", "took", ""), ("---",) * 5]
    for trial in trials:
        name = trial.test.removeprefix("test_").replace("_", " ")
        rows.append((name, trial.demand, "; ".join(trial.figures), f"{trial.seconds:.0f} s", trial.verdict))
    return ["| " + " | ".join(row) + " |" for row in rows]


def section(trials: list[Trial], machine: str) -> str:
    """A section of bench/RESULTS.md."""
    today = dt.datetime.now(tz=dt.UTC).date()
    return "\n".join([f"## {today}", "", f"{machine}. `{COMMAND}`", "", *table(trials), "", ""])
