"""What importing WhisperX and its company leaves behind in the process."""

from __future__ import annotations

import gc
import os
import socket

import pytest

pytestmark = pytest.mark.usefixtures("libraries")


def test_what_was_imported_is_not_looked_through_for_garbage() -> None:
    """Half a million objects: each look would hold up all threads for a second."""
    assert gc.get_freeze_count() > 200_000
    assert gc.isenabled()


def test_no_server_is_waited_for_without_limit() -> None:
    """Torch's downloads know none of their own."""
    assert socket.getdefaulttimeout()


def test_nobody_is_told_of_what_is_done_here() -> None:
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
