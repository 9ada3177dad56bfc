from __future__ import annotations

import pytest

from tests.unit.engines.transcription.loaders import Loader, Timers


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def timers() -> Timers:
    return Timers()
