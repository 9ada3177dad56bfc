from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.fixtures.patience import PATIENCE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_with_status_0_whatever_its_threads_do(number: int) -> None:
    """Such as a thread in the middle of a download that hangs."""
    program = """
import threading
from engines.transcription.signals import end_on_signals
end_on_signals()
threading.Thread(target=threading.Event().wait).start()
print("here", flush=True)
threading.Event().wait()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0


def test_a_stop_is_heard_before_anything_that_takes_time_is_imported() -> None:
    program = (
        "import sys, engines.faster.__main__; print({'fastapi', 'pydantic', 'uvicorn', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "set()\n"
