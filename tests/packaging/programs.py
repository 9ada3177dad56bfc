"""Programs that check what we ship, and that not every machine has."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import REQUIRE_ALL


def program(name: str) -> str:
    """Its path. Where it is missing the test is skipped; where nothing may be skipped, it fails."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)(f"no {name} here")
    return path
