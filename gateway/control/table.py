"""`whisper-gateway status`: the engines as a table on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.config.durations import format_duration

_STYLES = {
    "asleep": "dim",
    "queued": "yellow",
    "waking": "yellow",
    "ready": "green",
    "stopping": "yellow",
    "failed": "red",
}


def engine_table(engines: list[dict[str, Any]]) -> None:
    """Print the table, one row per engine."""
    table = Table(box=None, pad_edge=False)
    for heading in ("ENGINE", "PHASE", "UPTIME", "SERVING", "WAITING", "IDLE IN", "HOSTS"):
        table.add_column(heading, overflow="fold")
    for engine in engines:
        phase = engine["phase"]
        shown = f"[{_STYLES[phase]}]{phase}[/]"
        table.add_row(
            engine["name"], shown, _span(engine["uptime"]), str(engine["serving"]), str(engine["waiting"]),
            _span(engine["idle_in"]), ", ".join(engine["hosts"]),
        )  # fmt: skip
    console = Console()
    console.print(table)
    for engine in engines:
        if engine["failure"]:
            console.print(f"{engine['name']} {engine['failure']}", markup=False, soft_wrap=True)


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(round(seconds))
