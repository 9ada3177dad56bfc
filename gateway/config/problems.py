"""What is wrong with a configuration file, and how it is said: one line each, with place, path and remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Where a setting is: ("engines", "whisper", "hosts", 0)."""

_LONGEST_QUOTE = 60
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` counts from 1; None stands for the file as a whole."""

    message: str
    path: Path = ()
    line: int | None = None

    def printed(self, file: str) -> str:
        """Such as `config.yaml:14 engines.whisperx.idle_after: "5 mins" is not a duration (try "5m")`."""
        place = printable(file) if self.line is None else f"{printable(file)}:{self.line}"
        return f"{place} {dotted(self.path)}: {self.message}" if self.path else f"{place}: {self.message}"


def printable(text: str) -> str:
    """The same text on one line, with nothing in it that a terminal would obey."""
    return "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escaped(char)) for char in text)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def quoted(value: object, longest: int = _LONGEST_QUOTE) -> str:
    """A value as it is shown in a message: in double quotes, on one line, and cut when it is longer than `longest`."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return f'"{printable(text)}"'


def described(value: object) -> str:
    """What somebody wrote, in a few words: `"abc"`, `a list` or `settings`."""
    if isinstance(value, dict):
        return "settings"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(value)


def dotted(path: Path) -> str:
    """`engines.whisper.hosts[0]`; a key with other characters than letters, digits, "-" and "_" is quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step == "*":  # any name, in the reference page's way of writing
            text += ".*"
        else:
            name = step if _PLAIN_KEY.fullmatch(step) and len(step) <= _LONGEST_QUOTE else quoted(step)
            text += f".{name}" if text else name
    return text


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """` (did you mean "idle_after"?)`, or nothing if no known word is close."""
    close = difflib.get_close_matches(str(word)[:_LONGEST_QUOTE], list(known), n=1)
    return f" (did you mean {quoted(close[0])}?)" if close else ""
