"""The answers' bodies, against golden files. Rewrite those with UPDATE_GOLDEN=1 and look at the difference."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.transcription.formats import Granularity, ResponseFormat, Usage, Wanted, render
from engines.transcription.subtitles import CueLimits
from engines.transcription.transcript import Segment, TokenLogprob, Transcript, Word

GOLDEN = Path(__file__).parent / "golden"

SEGMENTS, WORDS = frozenset([Granularity.SEGMENT]), frozenset([Granularity.WORD])


def segment(start: float, end: float, text: str, *words: Word, logprobs: tuple[TokenLogprob, ...] = ()) -> Segment:
    return Segment(start, end, text, 0, (50364, 314), 0.0, -0.25, 1.2, 0.01, words, logprobs)


TALK = Transcript(
    language="fr",
    duration=3725.0401,
    segments=(
        segment(
            0.5799999833,
            2.0,
            " Bonjour à tous.",
            Word("Bonjour", 0.58, 1.2, 0.98),
            Word("à", 1.2, 1.3, 0.5),
            Word("tous.", 1.3, 1.9, 0.7),
            logprobs=(
                TokenLogprob(" Bonjour", b" Bonjour", -0.5),
                TokenLogprob("\N{REPLACEMENT CHARACTER}", b"\xc3", -1),
            ),
        ),
        segment(61.5, 3661.0, " a < b & c --> d\n\n2\n00:00:00,000 --> 00:00:01,000\nnot a cue"),
        segment(3724.9996, 3725.04, " 🎙"),
    ),
    audio_tokens=1500,
    prompt_tokens=7,
)
SILENCE = Transcript(language="en", duration=2.0, segments=())


def answered(transcript: Transcript, wanted: Wanted) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(render(transcript, wanted).content)
    return answer


@pytest.mark.parametrize("form", ResponseFormat)
@pytest.mark.parametrize(("name", "transcript"), [("talk", TALK), ("silence", SILENCE)])
def test_each_form_looks_as_it_always_did(name: str, transcript: Transcript, form: ResponseFormat) -> None:
    rendered = render(transcript, Wanted(form)).content
    golden = GOLDEN / f"{name}.{form}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        (ResponseFormat.JSON, "application/json"),
        (ResponseFormat.VERBOSE_JSON, "application/json"),
        (ResponseFormat.TEXT, "text/plain"),
        (ResponseFormat.SRT, "text/plain"),
        (ResponseFormat.VTT, "text/vtt"),
    ],
)
def test_each_form_has_its_media_type(form: ResponseFormat, media_type: str) -> None:
    assert render(TALK, Wanted(form)).media_type == media_type


def test_silence_is_an_empty_text() -> None:
    assert render(SILENCE, Wanted(ResponseFormat.TEXT)).content == ""
    assert answered(SILENCE, Wanted())["text"] == ""
    assert render(SILENCE, Wanted(ResponseFormat.SRT)).content == ""
    assert render(SILENCE, Wanted(ResponseFormat.VTT)).content == "WEBVTT\n\n"


def test_verbose_json_has_the_lists_that_were_asked_for() -> None:
    def lists(granularities: frozenset[Granularity]) -> set[str]:
        answer = answered(TALK, Wanted(ResponseFormat.VERBOSE_JSON, granularities))
        return {"words", "segments"} & set(answer)

    assert lists(SEGMENTS) == {"segments"}
    assert lists(WORDS) == {"words"}
    assert lists(SEGMENTS | WORDS) == {"words", "segments"}


def test_words_have_openai_s_fields() -> None:
    words = answered(TALK, Wanted(ResponseFormat.VERBOSE_JSON, WORDS))["words"]
    assert words[0] == {"word": "Bonjour", "start": 0.58, "end": 1.2, "probability": 0.98}


def test_time_is_used_by_whole_seconds_that_have_begun() -> None:
    assert answered(TALK, Wanted())["usage"] == {"type": "duration", "seconds": 3726}


def test_tokens_are_counted_as_openai_s_newer_models_count() -> None:
    assert answered(TALK, Wanted(usage=Usage.TOKENS))["usage"] == {
        "type": "tokens",
        "input_tokens": 1507,
        "output_tokens": 6,
        "total_tokens": 1513,
        "input_token_details": {"audio_tokens": 1500, "text_tokens": 7},
    }


def test_verbose_json_counts_time_always() -> None:
    answer = answered(TALK, Wanted(ResponseFormat.VERBOSE_JSON, usage=Usage.TOKENS))
    assert answer["usage"]["type"] == "duration"


def test_json_is_the_text_alone_where_no_more_is_wanted() -> None:
    assert answered(SILENCE, Wanted(usage=None)) == {"text": ""}


def test_logprobs_hold_each_token_its_bytes_and_its_probability() -> None:
    """A token may be half a character: `bytes` is what can be joined."""
    assert answered(TALK, Wanted(logprobs=True))["logprobs"] == [
        {"token": " Bonjour", "bytes": list(b" Bonjour"), "logprob": -0.5},
        {"token": "\N{REPLACEMENT CHARACTER}", "bytes": [0xC3], "logprob": -1},
    ]
    assert "logprobs" not in answered(TALK, Wanted())


def test_languages_name_the_one_that_was_heard_and_none_if_nobody_spoke() -> None:
    assert answered(TALK, Wanted(languages=True))["languages"] == [{"code": "fr"}]
    assert answered(SILENCE, Wanted(languages=True))["languages"] == []
    assert "languages" not in answered(TALK, Wanted())


def test_a_translation_is_english_whatever_was_spoken() -> None:
    answer = answered(replace(TALK, task="translate"), Wanted(ResponseFormat.VERBOSE_JSON))
    assert (answer["task"], answer["language"]) == ("translate", "english")


@pytest.mark.parametrize("form", [ResponseFormat.SRT, ResponseFormat.VTT])
def test_subtitles_are_laid_out_within_their_limits(form: ResponseFormat) -> None:
    content = render(TALK, Wanted(form, cues=CueLimits(words_per_line=2))).content
    assert "\nBonjour à\n" in content
    assert "\ntous.\n" in content


def test_a_language_without_a_name_is_given_as_it_is() -> None:
    assert answered(Transcript("tlh", 1, ()), Wanted(ResponseFormat.VERBOSE_JSON))["language"] == "tlh"
