"""`whisper-gateway keys list`: the keys as a table on the terminal, and as JSON for programs. Neither shows hashes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.auth.keys import Key, KeyState

_STYLES = {KeyState.ACTIVE: "green", KeyState.EXPIRED: "dim", KeyState.REVOKED: "dim"}
_WIDE = 250
"""Columns where nobody watches: one line for each key, whatever reads it."""


def key_table(keys: list[Key], used: Mapping[str, datetime], now: datetime) -> None:
    """Print the table, one row per key. used: when each was last used, by id."""
    table = Table(box=None, pad_edge=False)
    for heading in ("NAME", "ID", "STATE", "HOSTS", "RATE", "ADMIN", "CREATED", "EXPIRES", "LAST USED"):
        table.add_column(heading, overflow="fold")
    for key in keys:
        state = key.state_at(now)
        table.add_row(
            key.name, key.id, f"[{_STYLES[state]}]{state.value}[/]",
            "all" if key.hosts is None else ", ".join(key.hosts), str(key.rate or "-"), "yes" if key.admin else "-",
            _day(key.created), _day(key.expires), _minute(used.get(key.id)),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def keys_as_json(keys: list[Key], used: Mapping[str, datetime], now: datetime) -> str:
    """The keys as a JSON array; see `Key`, with `state` and `last_used` beside what is kept, and without the hash."""
    return json.dumps([_facts(key, used.get(key.id), now) for key in keys], indent=2)


def _facts(key: Key, last_used: datetime | None, now: datetime) -> dict[str, Any]:
    facts = key.model_dump(mode="json", exclude={"sha256"})
    shown = None if last_used is None else last_used.isoformat().replace("+00:00", "Z")
    return {**facts, "state": key.state_at(now).value, "last_used": shown}


def _day(when: datetime | None) -> str:
    return "-" if when is None else f"{when:%Y-%m-%d}"


def _minute(when: datetime | None) -> str:
    return "never" if when is None else f"{when:%Y-%m-%d %H:%M}"
