from __future__ import annotations

import pytest

from gateway.migration.variables import interpolated, read_env_file

VALUES = {"PORT": "8001", "EMPTY": "", "A_1": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$PORT:8000", "8001:8000"),
        ("${PORT}:${A_1}", "8001:x"),
        ("$$PORT $${PORT}", "$PORT ${PORT}"),
        ("${NONE:-1}${EMPTY:-2}${PORT:-3}", "128001"),
        ("${NONE-1}${EMPTY-2}${PORT-3}", "18001"),
        ("${PORT:?needed}", "8001"),
        ("${PORT:+set}${NONE:+set}${EMPTY:+set}${EMPTY+set}", "setset"),
        ("${NONE:-${OTHER:-${PORT}}}!", "8001!"),
        ("${NONE:-}", ""),
        ("5 $ 5$", "5 $ 5$"),
    ],
)
def test_every_form_that_compose_knows(text: str, value: str) -> None:
    assert interpolated(text, VALUES) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$NONE", "NONE is not set"),
        ("${NONE}", "NONE is not set"),
        ("${EMPTY:?no}", "EMPTY is not set"),
        ("${PORT", "never closed"),
        ("${1}", "begins no variable"),
        ("${}", "begins no variable"),
        ("${" * 5000, "too long"),
    ],
)
def test_what_has_no_value_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        interpolated(text, VALUES)


def test_an_env_file_is_read_as_compose_reads_it() -> None:
    text = "A=1\nexport B = two words # note\nC='# no note' # note\nD=\"x\"\n# E=1\nF=\nrubbish\nG=a#b\n"
    assert read_env_file(text) == {"A": "1", "B": "two words", "C": "# no note", "D": "x", "F": "", "G": "a#b"}
