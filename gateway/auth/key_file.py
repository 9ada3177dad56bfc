"""The file of API keys: `keys.json` in `gateway.state_dir`, readable by its owner alone. It holds no key, only hashes.

The command line changes it, under a lock, by putting a new file in its place; a running gateway reads it. Every field
of every key must be there: a key whose `hosts` got lost must not open everything.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gateway.auth.keys import Key
from gateway.auth.replacing import create_private, replace_file
from gateway.config.problems import dotted, printable

LARGEST = 64 * 1024 * 1024
"""Bytes. A hundred thousand keys take half of it."""
PATIENCE = 10.0
"""Seconds to wait for another command that changes keys."""

Mark = tuple[int, int, int, int]
"""Differs when the file does: inode, time of the last write and of the last change of its owner or mode, size."""


class KeyTrouble(Exception):
    """The keys cannot be read or changed: one line that says which file and what to do."""


class KeysDamaged(KeyTrouble):
    """What the file holds is no list of keys; reading it again shows the same."""


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    keys: tuple[Key, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same id")
        return self


class KeyFile:
    """The keys in this folder. path: of the file, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.json"
        self._lock = folder / "keys.lock"

    def read(self) -> tuple[list[Key], Mark | None]:
        """The keys, in the order they were made, and what the file looked like; nothing and None if there is no file.

        Raises KeyTrouble.
        """
        try:
            content, mark = self._content()
        except FileNotFoundError:
            return [], None
        except OSError as error:
            raise KeyTrouble(f"{self._name} cannot be read: {_told(error)}") from error
        try:
            return list(_Content.model_validate_json(content).keys), mark
        except ValidationError as error:
            raise KeysDamaged(self._damaged(error)) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[Key]]:
        """The keys, to be changed in place. On leaving the block they are written, or left alone if it raises.

        Other processes wait. Raises KeyTrouble.
        """
        with self._locked():
            before, _ = self.read()
            keys = before.copy()
            yield keys
            if keys != before:
                self._write(keys)

    def _write(self, keys: list[Key]) -> None:
        content = _Content(keys=tuple(keys)).model_dump_json(indent=1).encode() + b"\n"
        try:
            replace_file(self.path, content)
        except OSError as error:
            raise KeyTrouble(f"{self._name} cannot be written, and is as it was: {_told(error)}") from error

    def _content(self) -> tuple[bytes, Mark]:
        # Not blocking: a pipe in the file's place would keep the gateway waiting for ever.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise KeysDamaged(f"{self._name} is not a file; remove it")
            if facts.st_size > LARGEST:
                raise KeysDamaged(f"{self._name} is too large to be a file of keys; restore it from a backup")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(), mark_of(facts)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock is the kernel's: it ends with the process, however that ends."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = self._lock_descriptor()
        except OSError as error:
            raise KeyTrouble(f"{printable(str(error.filename))} cannot be used: {_told(error)}") from error
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock_descriptor(self) -> int:
        with contextlib.suppress(FileExistsError):
            return create_private(self._lock)
        return os.open(self._lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise KeyTrouble(f"another command is changing {self._name}; try again when it has ended") from None
                time.sleep(0.02)
            except OSError as error:
                raise KeyTrouble(f"{printable(str(self._lock))} cannot be locked: {error.strerror}") from error
            else:
                return

    @property
    def _name(self) -> str:
        return printable(str(self.path))

    def _damaged(self, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["loc"] == ("version",):
            return f"{self._name} was written by another version of the gateway; use that, or restore a backup"
        place = f"{dotted(first['loc'])}: " if first["loc"] else ""
        what = printable(f"{place}{first['msg']}")
        return f"{self._name} is damaged ({what}); restore it from a backup, or remove it and create all keys anew"


def mark_of(facts: os.stat_result) -> Mark:
    return (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)


def _told(error: OSError) -> str:
    remedy = "; run this as the user that the gateway is, or as root" if isinstance(error, PermissionError) else ""
    return f"{error.strerror}{remedy}"
