"""Keys as a test makes them, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.issuing import Order, issue
from gateway.auth.key_file import KeyFile
from gateway.auth.keys import Key

Make = Callable[..., tuple[Key, str]]


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path)


@pytest.fixture
def make(file: KeyFile) -> Make:
    """Adds a key to the file; returns it with its token."""

    def make(name: str = "ci", **facts: Any) -> tuple[Key, str]:
        with file.changing() as keys:
            return issue(keys, Order(name, **facts), datetime.now(UTC).replace(microsecond=0))

    return make
