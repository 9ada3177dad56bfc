"""What a configuration file says about other files: paths beside it, and values kept out of it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.config.names import VARIABLE_NAME
from gateway.config.problems import Path as SettingPath
from gateway.config.problems import quoted

LARGEST = 1024 * 1024
"""Of the configuration file, in bytes."""
LARGEST_SECRET = 128 * 1024
"""Of a file that holds one variable, in bytes: more than the operating system hands to a program."""

_VARIABLE_NAME = re.compile(VARIABLE_NAME)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, largest: int) -> str:
    """A whole file as text. Raises ValueError: one clause, such as "does not exist"."""
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as exc:
        raise ValueError(_why_not(exc)) from exc
    if len(content) > largest:
        raise ValueError(f"is larger than {largest // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        encoding = "UTF-16" if content.startswith(_UTF16) else "not UTF-8"
        line = content.count(b"\n", 0, exc.start) + 1
        raise ValueError(f"is {encoding} from line {line} on (save it as UTF-8)") from exc


def _why_not(exc: OSError) -> str:
    match exc.errno:
        case errno.ENOENT:
            return "does not exist"
        case errno.EACCES | errno.EPERM:
            return "may not be read by this user"
        case errno.EISDIR:
            return "is a folder, not a file"
        case _:
            return f"cannot be read: {os.strerror(exc.errno) if exc.errno else exc}"


def settle_paths(data: dict[str, Any], folder: Path, state_dir: str) -> None:
    """Makes relative paths begin at the configuration file's folder, in place; absent ones get their defaults."""
    gateway = data.setdefault("gateway", {})
    if isinstance(gateway, dict):
        gateway.setdefault("state_dir", state_dir)
        _settle(gateway, "state_dir", folder)
        spool = gateway.get("spool")
        if isinstance(spool, dict) and "dir" in spool:
            _settle(spool, "dir", folder)
    for _, process in _processes(data):
        process.setdefault("directory", ".")
        _settle(process, "directory", folder)
        files = process.get("environment_files")
        if isinstance(files, dict):
            for name in files:
                _settle(files, name, folder)


def _settle(section: dict[str, Any], name: str, folder: Path) -> None:
    """What is no usable text is left for the schema to refuse."""
    text = section[name]
    if isinstance(text, str) and text.strip() and "\0" not in text:
        section[name] = str(folder / _at_home(text))


def _at_home(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user, or a user without a home
        return Path(text)


def read_environment_files(data: dict[str, Any]) -> Iterator[tuple[SettingPath, str]]:
    """Moves the contents of `environment_files` into `environment`, in place. Yields what went wrong, and where.

    Paths must have been settled. One line break at the end is the editor's and not the secret's.
    """
    for path, process in _processes(data):
        files, environment = process.get("environment_files"), process.setdefault("environment", {})
        if not isinstance(files, dict) or not isinstance(environment, dict):
            continue
        for name, file in files.items():
            if not _VARIABLE_NAME.fullmatch(name) or not isinstance(file, str) or not Path(file).is_absolute():
                continue  # the schema says why
            try:
                environment.setdefault(name, _secret(Path(file)))
            except ValueError as exc:
                yield (*path, "environment_files", name), f"{quoted(file, longest=300)} {exc}"


def _secret(path: Path) -> str:
    text = read_text(path, LARGEST_SECRET).removesuffix("\n").removesuffix("\r")
    if "\0" in text:
        raise ValueError("holds a NUL character, which no program can be given")
    return text


def _processes(data: dict[str, Any]) -> Iterator[tuple[SettingPath, dict[str, Any]]]:
    engines = data.get("engines")
    for name, engine in engines.items() if isinstance(engines, dict) else ():
        process = engine.get("process") if isinstance(engine, dict) else None
        if isinstance(process, dict):
            yield ("engines", name, "process"), process
