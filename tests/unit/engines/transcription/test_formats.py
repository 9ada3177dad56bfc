"""The answers' bodies, against golden files. Rewrite those with UPDATE_GOLDEN=1 and look at the difference."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engines.transcription.formats import Granularity, ResponseFormat, render
from engines.transcription.transcript import Segment, Transcript, Word

GOLDEN = Path(__file__).parent / "golden"

SEGMENTS, WORDS = frozenset([Granularity.SEGMENT]), frozenset([Granularity.WORD])


def segment(start: float, end: float, text: str, *words: Word) -> Segment:
    return Segment(start, end, text, 0, (50364, 314), 0.0, -0.25, 1.2, 0.01, words)


TALK = Transcript(
    language="fr",
    duration=3725.0401,
    segments=(
        segment(0.5799999833, 2.0, " Bonjour à tous.", Word("Bonjour", 0.58, 1.2, 0.98), Word("à", 1.2, 1.3, 0.5)),
        segment(61.5, 3661.0, " a < b & c --> d\n\n2\n00:00:00,000 --> 00:00:01,000\nnot a cue"),
        segment(3724.9996, 3725.04, " 🎙"),
    ),
)
SILENCE = Transcript(language="en", duration=2.0, segments=())


@pytest.mark.parametrize("form", ResponseFormat)
@pytest.mark.parametrize(("name", "transcript"), [("talk", TALK), ("silence", SILENCE)])
def test_each_form_looks_as_it_always_did(name: str, transcript: Transcript, form: ResponseFormat) -> None:
    rendered = render(transcript, form, SEGMENTS).content
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
    assert render(TALK, form, SEGMENTS).media_type == media_type


def test_silence_is_an_empty_text() -> None:
    assert render(SILENCE, ResponseFormat.TEXT, SEGMENTS).content == ""
    assert json.loads(render(SILENCE, ResponseFormat.JSON, SEGMENTS).content)["text"] == ""
    assert render(SILENCE, ResponseFormat.SRT, SEGMENTS).content == ""
    assert render(SILENCE, ResponseFormat.VTT, SEGMENTS).content == "WEBVTT\n\n"


def test_verbose_json_has_the_lists_that_were_asked_for() -> None:
    def lists(granularities: frozenset[Granularity]) -> set[str]:
        answer = json.loads(render(TALK, ResponseFormat.VERBOSE_JSON, granularities).content)
        return {"words", "segments"} & set(answer)

    assert lists(SEGMENTS) == {"segments"}
    assert lists(WORDS) == {"words"}
    assert lists(SEGMENTS | WORDS) == {"words", "segments"}


def test_words_have_openai_s_fields() -> None:
    words = json.loads(render(TALK, ResponseFormat.VERBOSE_JSON, WORDS).content)["words"]
    assert words[0] == {"word": "Bonjour", "start": 0.58, "end": 1.2, "probability": 0.98}


@pytest.mark.parametrize("form", [ResponseFormat.SRT, ResponseFormat.VTT])
def test_no_sentence_can_break_a_cue(form: ResponseFormat) -> None:
    content = render(TALK, form, SEGMENTS).content
    assert content.count("-->") == len(TALK.segments)
    cues = content.removeprefix("WEBVTT\n\n").split("\n\n")
    assert len(cues) == len(TALK.segments) + 1


def test_a_language_without_a_name_is_given_as_it_is() -> None:
    transcript = Transcript("tlh", 1, ())
    assert json.loads(render(transcript, ResponseFormat.VERBOSE_JSON, SEGMENTS).content)["language"] == "tlh"
