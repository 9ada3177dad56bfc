from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.substitution import LONGEST, substitute

ENVIRONMENT = {"NAME": "value", "EMPTY": "", "REF": "${NAME}"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${NAME}", "value"),
        ("a ${NAME} b ${NAME}", "a value b value"),
        ("${EMPTY}", ""),
        ("${NO_SUCH:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NAME:-default}", "value"),
        ("${NO_SUCH:-}", ""),
        ("${NO_SUCH:-a:-b}", "a:-b"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$value"),
        ("pa$word, 5$", "pa$word, 5$"),
        ("${REF}", "${NAME}"),
    ],
)
def test_variables_are_filled_in_once(text: str, filled: str) -> None:
    assert substitute(text, ENVIRONMENT) == filled


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"the variable NO_SUCH is not set \(set it, or write \$\{NO_SUCH:-default\}\)"
    ):
        substitute("${NAME} ${NO_SUCH}", ENVIRONMENT)


@pytest.mark.parametrize(
    "wrong", ["${", "${}", "${1A}", "${NAME", "${NAME-x}", "${NAME:?x}", "${A:-${NAME}}", "${NAME }"]
)
def test_what_begins_like_a_variable_and_is_none_is_refused_without_being_shown(wrong: str) -> None:
    with pytest.raises(ValueError, match=r'a "\$\{" here begins no variable') as refusal:
        substitute(f"secret{wrong}secret", ENVIRONMENT)
    assert "secret" not in str(refusal.value)


def test_variables_cannot_make_a_value_grow_without_end() -> None:
    with pytest.raises(ValueError, match="longer than"):
        substitute("${BIG}" * 1000, {"BIG": "x" * (LONGEST // 100)})


@given(st.text())
def test_doubling_each_dollar_keeps_any_text_as_it_is(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == text
