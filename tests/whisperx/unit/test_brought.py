"""Transcripts as clients bring them."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.whisperx.brought import parse_transcript
from engines.whisperx.conversation import Segment
from engines.whisperx.data_urls import parse_data_url

GOOD = {"start": 0.5, "end": 1.5, "text": "Good morning."}


@pytest.mark.parametrize(
    "value",
    [
        [GOOD],
        {"segments": [GOOD]},
        {"segments": [GOOD], "language": "en", "duration": 3.2, "warnings": []},
        [{**GOOD, "speaker": "SPEAKER_00", "words": [{"word": "Good", "start": 0.5, "end": 0.7}]}],
        [{**GOOD, "text": " Good morning.\n"}],
        [{**GOOD, "text": " "}, GOOD],
    ],
)
def test_segments_are_read_as_engines_write_them(value: Any) -> None:
    assert parse_transcript(json.dumps(value)) == [Segment(0.5, 1.5, "Good morning.")]


def test_whole_numbers_are_seconds_too() -> None:
    (segment,) = parse_transcript('[{"start": 0, "end": 2, "text": "Hello"}]')
    assert (segment.start, segment.end) == (0.0, 2.0)
    assert all(isinstance(time, float) for time in (segment.start, segment.end))


@pytest.mark.parametrize("text", ["Good morning.", "[Music] Good morning.", "42", '"Good morning."', "null", "true"])
def test_anything_else_is_the_words_of_the_whole_recording(text: str) -> None:
    (segment,) = parse_transcript(f"  {text}\n")
    assert (segment.start, segment.text) == (0.0, text)
    assert segment.end > 1e300


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there are no words in it"),
        (" \n", "there are no words in it"),
        ("[]", "there are no words in it"),
        ('[{"start": 0, "end": 1, "text": " "}]', "there are no words in it"),
        ("{}", "has no list of segments"),
        ('{"segments": {}}', "has no list of segments"),
        ('{"text": "Good morning."}', "has no list of segments"),
        ('{"segments": [', "is not valid JSON"),
        ('[{"start": 0, "end": 1', "is not valid JSON"),
        ('[ \n{"start"', "is not valid JSON"),
        ("[1]", "segments[0] is not an object"),
        ('[{"start": 0, "end": 1}]', "segments[0] is not an object with start, end and text"),
        ('[{"start": 0, "end": 1, "text": 5}]', "segments[0] is not an object with start, end and text"),
        ('[{"start": 0, "end": 1, "text": "a"}, {"end": 1, "text": "b"}]', "start of segments[1] must be a number"),
        ('[{"start": "0", "end": 1, "text": "a"}]', "start of segments[0] must be a number"),
        ('[{"start": true, "end": 1, "text": "a"}]', "start of segments[0] must be a number"),
        ('[{"start": -0.1, "end": 1, "text": "a"}]', "not less than 0"),
        ('[{"start": NaN, "end": 1, "text": "a"}]', "start of segments[0] must be a number"),
        ('[{"start": 0, "end": Infinity, "text": "a"}]', "end of segments[0] must be a number"),
        ('[{"start": 2, "end": 1, "text": "a"}]', "segments[0] ends before it starts"),
        ('[{"start": 0, "end": 1, "text": "\\ud800"}]', "the text of segments[0] is not valid Unicode"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"segments":' * 100_000, "is nested too deeply"),
        ('[{"start": 0, "end": ' + "9" * 5_000 + ', "text": "a"}]', "is not valid JSON"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_transcript(text)
    assert told in str(refusal.value)


def test_times_beyond_all_numbers_are_after_every_recording() -> None:
    for late in ("1e999", "9" * 400):
        (segment,) = parse_transcript(f'[{{"start": {late}, "end": {late}, "text": "a"}}]')
        assert math.isfinite(segment.start)
        assert segment.start > 1e300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["segments", "start", "end", "text", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
segments = st.fixed_dictionaries(
    {"start": st.integers(0, 9) | st.floats(0, 9), "end": st.floats(), "text": st.text(max_size=5)}
)


@given(json_values | st.lists(segments | json_values, min_size=1, max_size=3))
def test_any_json_is_understood_or_refused(value: Any) -> None:
    holds(json.dumps(value))


@given(st.text() | st.text(alphabet="[]{}\"':,0 atxesgmn\\u\ud800"))
def test_any_text_is_understood_or_refused(text: str) -> None:
    holds(text)


def holds(text: str) -> None:
    with suppress(ValueError):
        for segment in parse_transcript(text):
            assert segment.text == segment.text.strip() != ""
            assert 0 <= segment.start <= segment.end < math.inf


# Data URLs


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("data:audio/wav;base64,UklGRg==", b"RIFF"),
        ("DATA:;BASE64,UklGRg==", b"RIFF"),
        ("data:audio/wav;codecs=1;base64,UklG%52g%3D%3D", b"RIFF"),
        (" data:audio/wav;base64,Ukl\n GRg==\n", b"RIFF"),
        ("data:,RI%46F", b"RIFF"),
        ("data:audio/wav;base64,//79", b"\xff\xfe\xfd"),
    ],
)
def test_data_urls_are_read(url: str, content: bytes) -> None:
    assert parse_data_url(url) == content


@pytest.mark.parametrize(
    "url",
    ["", "UklGRg==", "data:", "data:,", "data:audio/wav;base64", "data:;base64,?", "data:;base64,UklGRg=", "file:,x"],
)
def test_what_is_no_data_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_data_url(url)


@given(st.text().map(lambda text: f"data:audio/wav;base64,{text}") | st.text())
def test_any_text_is_a_data_url_or_refused(url: str) -> None:
    with suppress(ValueError):
        assert parse_data_url(url)
