"""How clients write what is to be taken for speech."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.faster.options import SpeechFilter
from engines.faster.speech_filter import speech_filter
from engines.transcription.speech_settings import parse_parameters, parse_strategy


def test_every_setting_of_the_filter_can_be_given_by_its_name() -> None:
    text = (
        '{"threshold": 0.6, "neg_threshold": 0.3, "min_speech_duration_ms": 100, "max_speech_duration_s": 20,'
        ' "min_silence_duration_ms": 500.0, "speech_pad_ms": 30}'
    )
    assert set(parse_parameters(text)) == {field.name for field in fields(SpeechFilter)}
    assert speech_filter(parse_parameters(text)) == SpeechFilter(0.6, 0.3, 100, 20.0, 500, 30)


@pytest.mark.parametrize("nothing", ["null", "Infinity"])
def test_unlimited_is_null_or_infinity(nothing: str) -> None:
    assert parse_parameters(f'{{"max_speech_duration_s": {nothing}}}') == {"max_speech_duration_s": None}


def test_openai_s_settings_have_their_counterparts() -> None:
    text = '{"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 300, "silence_duration_ms": 200}'
    assert speech_filter(parse_strategy(text)) == SpeechFilter(
        threshold=0.7, speech_pad_ms=300, min_silence_duration_ms=200
    )


@pytest.mark.parametrize("text", ["auto", " AUTO ", '{"type": "server_vad"}'])
def test_what_is_not_given_is_as_usual(text: str) -> None:
    assert speech_filter(parse_strategy(text)) == SpeechFilter()


def test_no_settings_at_all_are_no_filter_and_later_ones_win() -> None:
    assert speech_filter(None, None) is None
    assert speech_filter(None, {}) == SpeechFilter()
    assert speech_filter({"threshold": 0.1, "speech_pad_ms": 1}, {"threshold": 0.2}) == SpeechFilter(
        threshold=0.2, speech_pad_ms=1
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("loud", "JSON"),
        ("[]", "JSON object"),
        ('"auto"', "JSON object"),
        ("[" * 100_000, "JSON"),
        ("1" * 100_000, "JSON"),
        ('{"volume": 1}', "'volume'"),
        ('{"' + "v" * 9_999 + '": 1}', "'vvv"),
        ('{"threshold": 1.1}', "threshold must be a number from 0 to 1"),
        ('{"threshold": NaN}', "threshold"),
        ('{"threshold": null}', "threshold"),
        ('{"threshold": true}', "threshold"),
        ('{"threshold": "0.5"}', "threshold"),
        ('{"speech_pad_ms": 0.5}', "speech_pad_ms must be a whole number from 0 to 86400000"),
        ('{"speech_pad_ms": -1}', "speech_pad_ms"),
        ('{"speech_pad_ms": 1e999}', "speech_pad_ms"),
        ('{"max_speech_duration_s": 0}', "max_speech_duration_s must be a number from 1 to 86400 or null"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        parse_parameters(text)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("none", "nor is it auto"),
        ("{}", "type"),
        ('{"type": "semantic_vad"}', "server_vad"),
        ('{"type": ["server_vad"]}', "server_vad"),
        ('{"type": "server_vad", "eagerness": "low"}', "'eagerness'"),
        ('{"type": "server_vad", "threshold": 2}', "threshold"),
        ('{"type": "server_vad", "prefix_padding_ms": "long"}', "prefix_padding_ms"),
    ],
)
def test_a_strategy_that_cannot_be_used_is_refused_by_openai_s_names(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_strategy(text)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(repr))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_parameters, parse_strategy):
        try:
            result: dict[str, Any] = parse(text)
        except ValueError:
            continue
        assert isinstance(result, dict)
