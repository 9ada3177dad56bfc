"""One run of a local program: noticing its end, whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable

from gateway.runtimes.base import NotRunning
from gateway.runtimes.process_record import ProcessRecord

POLL_SECONDS = 1.0


class ProcessLife:
    """A living process and its group.

    `ended` becomes the reason when the process has ended; by a pidfd where the kernel has them (which also works for a
    process that an earlier gateway started), else by looking each second.

    A program's end takes the rest of its group along: workers that outlive their parent would hold its port.
    """

    def __init__(self, record: ProcessRecord, on_end: Callable[[NotRunning], None]) -> None:
        self.record = record
        self.ended: asyncio.Future[NotRunning] = asyncio.get_running_loop().create_future()
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pidfd = open_pidfd(record)
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self.check)
        else:
            self._poll()
        self.check()

    def check(self) -> None:
        """Look whether the process still runs."""
        if self.ended.done() or not self._gone():
            return
        self._end_group()
        how = how_it_ended(self.record.pid)
        self.ended.set_result(how)
        self.close()
        self._on_end(how)

    def signal(self, number: signal.Signals) -> None:
        """To the whole group. Raises PermissionError."""
        if self.record.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.record.pid, number)

    def close(self) -> None:
        """Stop watching; the process stays as it is."""
        if self._timer is not None:
            self._timer.cancel()
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _gone(self) -> bool:
        """A pidfd knows best: /proc also shows a process as dead of which only the first thread has ended."""
        if self._pidfd is None:
            return not self.record.alive()
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def _poll(self) -> None:
        self.check()
        if not self.ended.done():
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)

    def _end_group(self) -> None:
        """Before the process is reaped: until then, and as long as its group has members, nobody else gets its id."""
        if not self.record.recycled():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.record.pid, signal.SIGKILL)


def open_pidfd(record: ProcessRecord) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is no such thing, or no process."""
    try:
        pidfd = os.pidfd_open(record.pid)
    except AttributeError:  # not Linux
        return None
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.ENOSYS, errno.EPERM, errno.EINVAL):  # gone; an old kernel; a sandbox
            return None
        raise
    if record.alive():  # asked after opening: from here on the descriptor can mean no other process
        return pidfd
    os.close(pidfd)
    return None


def how_it_ended(pid: int) -> NotRunning:
    """Reaps the process if it is our child; the end of somebody else's child can be seen, but not how it came."""
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        reaped, status = 0, 0
    if not reaped:
        return NotRunning("ended, and only its parent knows how")
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return NotRunning(f"was killed by signal {signal_name(-code)}", exit_code=128 - code)
    return NotRunning(f"exited with code {code}", exit_code=code)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)
