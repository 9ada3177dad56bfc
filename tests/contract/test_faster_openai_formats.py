"""What OpenAI's SDK gets from the faster engine, in each form of answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.speech import DIALOGUE, EXACT, GOODBYE, MANIFEST, THANKS, said, words
from tests.unit.engines.recordings import AUDIO

pytestmark = pytest.mark.model

MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "greedy": {"extra_body": {"beam_size": 1}},
    "filtered": {"extra_body": {"vad_filter": True}},
    "in order": {"extra_body": {"vad_filter": False}},
    "chunked": {"chunking_strategy": "auto"},
    "server_vad": {"chunking_strategy": {"type": "server_vad", "threshold": 0.5}},
    "words": {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
    "logprobs": {"include": ["logprobs"]},
    "candidates": {"languages": ["en", "fr"]},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EXACT)
def test_every_word_of_the_exact_recordings_is_right_in_every_mode(client: OpenAI, name: str, mode: str) -> None:
    answer: Any = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name, **MODES[mode])
    assert words(answer.text) == said(name)


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(engine: Engine) -> None:
    async with AsyncOpenAI(**engine.sdk()) as client:
        answer = await client.audio.transcriptions.create(model="micro-whisper", file=AUDIO / GOODBYE, language="en")
    assert words(answer.text) == "thanks goodbye"
    assert answer.usage is not None
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 3}


def test_text_is_plain_text(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE, response_format="text")
    assert words(str(answer)) == "thanks goodbye"


def test_srt_has_a_numbered_cue_for_each_segment(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, response_format="srt")
    cues = [cue.split("\n") for cue in str(answer).strip().split("\n\n")]
    assert [int(number) for number, _, _ in cues] == list(range(1, len(cues) + 1))
    assert len(cues) == len(MANIFEST[DIALOGUE]["segments"])
    assert all(re.fullmatch(r"00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}", times) for _, times, _ in cues)
    assert words(" ".join(text for _, _, text in cues)) == said(DIALOGUE)


def test_vtt_has_its_header_and_a_cue_for_each_segment(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, response_format="vtt")
    header, *cues = str(answer).strip().split("\n\n")
    assert header == "WEBVTT"
    assert len(cues) == len(MANIFEST[DIALOGUE]["segments"])
    assert all(re.fullmatch(r"00:00:\d\d\.\d{3} --> 00:00:\d\d\.\d{3}", cue.split("\n")[0]) for cue in cues)
    assert words(" ".join(cue.split("\n")[1] for cue in cues)) == said(DIALOGUE)


@pytest.mark.parametrize("response_format", ["srt", "vtt"])
@pytest.mark.parametrize(
    "limits",
    [
        {"max_line_width": 20, "max_line_count": 2},
        {"max_line_width": 20},
        {"max_words_per_line": 3},
    ],
    ids=str,
)
def test_subtitles_keep_within_their_limits(client: OpenAI, response_format: Any, limits: dict[str, int]) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=AUDIO / DIALOGUE, response_format=response_format, extra_body=limits
    )
    cues = [cue.split("\n") for cue in str(answer).removeprefix("WEBVTT\n\n").strip().split("\n\n")]
    texts = [cue[2 if response_format == "srt" else 1 :] for cue in cues]
    lines = [line for text in texts for line in text]
    assert words(" ".join(lines)) == said(DIALOGUE)
    assert all(len(line) <= limits.get("max_line_width", 1000) for line in lines)
    assert all(len(text) <= limits.get("max_line_count", 1000) for text in texts)
    assert all(len(" ".join(text).split()) <= limits.get("max_words_per_line", 1000) for text in texts)
    assert len(cues) > len(MANIFEST[DIALOGUE]["segments"]) or "max_line_width" in limits


@pytest.mark.parametrize(("name", "language"), [(DIALOGUE, "english"), (THANKS, "french")])
def test_verbose_json_has_language_duration_and_segments(client: OpenAI, name: str, language: str) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name, response_format="verbose_json")
    assert answer.language == language
    assert answer.to_dict()["task"] == "transcribe"
    assert float(answer.duration) == pytest.approx(MANIFEST[name]["duration"], abs=0.01)
    assert answer.words is None
    assert answer.segments
    assert [segment.id for segment in answer.segments] == list(range(len(answer.segments)))
    assert words("".join(segment.text for segment in answer.segments)) == said(name)
    for segment, expected in zip(answer.segments, MANIFEST[name]["segments"], strict=True):
        assert segment.start == pytest.approx(expected["start"], abs=0.7)
        assert segment.end == pytest.approx(expected["end"], abs=0.7)
        numbers = (segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob, segment.temperature)
        assert all(isinstance(number, float) for number in numbers)
        assert segment.tokens
        assert segment.seek == 0


def test_words_come_when_asked_for_and_segments_beside_them_when_both_are(client: OpenAI) -> None:
    def ask(*granularities: Any) -> Any:
        return client.audio.transcriptions.create(
            model="whisper-1",
            file=AUDIO / GOODBYE,
            response_format="verbose_json",
            timestamp_granularities=list(granularities),
        )

    both = ask("word", "segment")
    assert [words(word.word) for word in both.words] == ["thanks", "goodbye"]
    assert all(0 <= word.start < word.end <= 2.3 for word in both.words)
    assert both.segments
    assert ask("word").segments is None
    assert ask("segment").words is None


def test_words_are_where_they_were_spoken(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=AUDIO / DIALOGUE, response_format="verbose_json", timestamp_granularities=["word"]
    )
    spoken = MANIFEST[DIALOGUE]["words"]
    assert answer.words is not None
    assert [words(word.word) for word in answer.words] == [words(word["word"]) for word in spoken]
    late = [abs(found.start - word["start"]) for found, word in zip(answer.words, spoken, strict=True)]
    assert sorted(late)[len(late) // 2] < 0.3


def test_the_newer_models_names_bring_the_newer_models_answers(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="gpt-transcribe", file=AUDIO / THANKS)
    assert words(answer.text) == said(THANKS)
    assert answer.languages is not None
    assert [language.code for language in answer.languages] == ["fr"]
    assert answer.usage is not None
    assert answer.usage.type == "tokens"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.output_tokens > 0
    assert answer.usage.input_token_details is not None
    assert answer.usage.input_token_details.audio_tokens
