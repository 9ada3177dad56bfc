from __future__ import annotations

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from engines.transcription.languages import LANGUAGES, parse_language


def test_the_languages_are_those_of_faster_whisper() -> None:
    assert set(LANGUAGES) == set(_LANGUAGE_CODES)


@pytest.mark.parametrize(
    ("text", "code"),
    [("en", "en"), (" FR ", "fr"), ("English", "en"), ("haitian creole", "ht"), ("yue", "yue"), ("jv", "jw")],
)
def test_codes_and_english_names_are_understood_in_any_case(text: str, code: str) -> None:
    assert parse_language(text) == code


def test_every_name_leads_back_to_its_code() -> None:
    assert {parse_language(name) for name in LANGUAGES.values()} == set(LANGUAGES)


@pytest.mark.parametrize("text", ["xx", "en-US", "englisch", "e" * 10_000])
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="use a code such as en") as problem:
        parse_language(text)
    assert len(str(problem.value)) < 200
