"""A configuration file as a test writes it, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.errors import ConfigError

Load = Callable[..., Config]
Problems = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, environment: Mapping[str, str] | None = None) -> Config:
        Path("config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return load_config("config.yaml", environment=environment or {})

    return load


@pytest.fixture
def problems(load: Load) -> Problems:
    """What is wrong with a file; nothing if it loads."""

    def problems(text: str | bytes, environment: Mapping[str, str] | None = None) -> list[str]:
        try:
            load(text, environment)
        except ConfigError as exc:
            return exc.problems
        return []

    return problems
