"""Running a local engine's command, and why that could not be done."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
from typing import BinaryIO

from gateway.config.schema import ProcessTarget
from gateway.errors import StartRefused
from gateway.runtimes.base import PORT_TAKEN, Address
from gateway.runtimes.process_log import ProcessLog

FILES_AT_START = resource.getrlimit(resource.RLIMIT_NOFILE)
"""How many files a process may open, soft and hard, as the gateway was started: this is imported before it raises its
own soft limit, see gateway/serving.py."""


def spawn(target: ProcessTarget, port: int, log: ProcessLog) -> int:
    """Run the command in a session of its own, so that a Ctrl-C for the gateway is none for the engine.

    Returns its process id, which the caller has to reap. Raises StartRefused.
    """
    command = [word.replace("{port}", str(port)) for word in target.command]
    if target.directory is not None and not target.directory.is_dir():
        raise StartRefused(f"should run in the folder {target.directory}, which does not exist")
    with _opened(log) as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is the operator's own, from the configuration
                command,
                cwd=target.directory,
                env=os.environ | target.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise StartRefused(explain_refusal(error, command[0])) from error
    process.returncode = 0  # the caller reaps it; Popen shall neither do that, nor warn that it still runs
    restore_file_limit(process.pid)
    return process.pid


def restore_file_limit(pid: int) -> None:
    """A program that uses select(), or goes through all possible files at its start, suffers from a raised soft limit.

    Only on Linux, and a moment after the program has begun: what may be run between fork and exec is not safe here.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):  # it has ended, or runs as another user
            resource.prlimit(pid, resource.RLIMIT_NOFILE, FILES_AT_START)


def refuse_taken_port(address: Address) -> None:
    """Another program on the engine's port would be taken for the engine. Raises StartRefused."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                words = f"needs port {address.port}, which another program uses"
                raise StartRefused(words, public=PORT_TAKEN) from error


def explain_refusal(error: OSError | ValueError, program: str) -> str:
    """Why the system did not run the command, as a clause."""
    match error:
        case FileNotFoundError():
            return f"could not be run: there is no program {program!r} (or what its first line asks for)"
        case PermissionError():
            return f"could not be run: {program!r} is not executable, or may not be run by this user"
        case OSError():
            return f"could not be run: {program!r}: {error.strerror or error}"
        case _:
            return f"could not be run: {program!r}: {error}"


def _opened(log: ProcessLog) -> BinaryIO:
    try:
        return log.open()
    except OSError as error:
        raise StartRefused(f"has no place for its log in the state directory: {error.strerror}") from error
