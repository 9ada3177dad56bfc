"""OpenAI's SDK against the real engine."""

from __future__ import annotations

import itertools
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.speech import DIALOGUE, GOODBYE, MANIFEST, THANKS, said, words
from tests.unit.engines.recordings import AUDIO, silence, wav
from tests.whisperx.contract.calls import data_url, speakers, voice

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # OpenAI wants no more translations
]

DIARIZED: dict[str, Any] = {"response_format": "diarized_json", "chunking_strategy": "auto"}
MEETING = "meeting-en.flac"


def transcribed(client: OpenAI, name: str, **parameters: Any) -> Any:
    return client.audio.transcriptions.create(**{"model": "whisper-1", "file": AUDIO / name, **parameters})


def streamed(client: OpenAI, file: Any, **parameters: Any) -> list[Any]:
    """Without the events that tell how far it is, which are looked at elsewhere."""
    with client.audio.transcriptions.create(
        **{"model": "whisper-1", "file": file, "stream": True, **parameters}
    ) as stream:
        return [event for event in stream if event.type != "progress"]


def turns_of(segments: list[Any]) -> list[tuple[str, str]]:
    return [
        (speaker, words(" ".join(segment.text for segment in group)))
        for speaker, group in itertools.groupby(segments, key=lambda segment: str(segment.speaker))
    ]


# Who said what


@pytest.mark.parametrize("model", ["gpt-4o-transcribe-diarize", "whisper-1", "micro-whisper"])
def test_diarized_json_tells_who_said_what(client: OpenAI, model: str) -> None:
    answer = transcribed(client, DIALOGUE, model=model, **DIARIZED)
    assert turns_of(answer.segments) == speakers(DIALOGUE)
    assert words(answer.text) == said(DIALOGUE)
    assert answer.task == "transcribe"
    assert answer.duration == pytest.approx(MANIFEST[DIALOGUE]["duration"], abs=0.01)
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 12}
    assert [segment.type for segment in answer.segments] == ["transcript.text.segment"] * len(answer.segments)
    assert len({segment.id for segment in answer.segments}) == len(answer.segments)


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(engine: EngineProcess) -> None:
    async with AsyncOpenAI(**engine.sdk()) as client:
        answer: Any = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize", file=AUDIO / DIALOGUE, **DIARIZED
        )
        assert turns_of(answer.segments) == speakers(DIALOGUE)
        stream: Any = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize", file=AUDIO / DIALOGUE, stream=True, **DIARIZED
        )
        events = [event async for event in stream]
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert turns_of(segments) == speakers(DIALOGUE)
    assert (events[-1].type, words(events[-1].text)) == ("transcript.text.done", said(DIALOGUE))


@pytest.mark.parametrize("source", [DIALOGUE, MEETING])
def test_known_speakers_are_called_by_their_names(client: OpenAI, source: str) -> None:
    """By how they sound, in this recording or in another one."""
    references = [data_url(voice(source, "B")), data_url(voice(source, "A"))]
    answer = transcribed(
        client,
        DIALOGUE,
        known_speaker_names=["Bob", "Ada"],
        known_speaker_references=references,
        **DIARIZED,
    )
    naming = {"A": "Ada", "B": "Bob"}
    assert turns_of(answer.segments) == [(naming[who], text) for who, text in speakers(DIALOGUE)]


def test_who_is_not_known_keeps_a_letter(client: OpenAI) -> None:
    known: dict[str, Any] = {
        "known_speaker_names": ["Bob"],
        "known_speaker_references": [data_url(voice(MEETING, "B"))],
    }
    answer = transcribed(client, DIALOGUE, **known, **DIARIZED)
    assert [who for who, _ in turns_of(answer.segments)] == ["A", "Bob", "A", "Bob"]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (data_url(voice(DIALOGUE, "A", seconds=1)), "2 to 10 seconds"),
        (data_url(wav(silence(11))), "2 to 10 seconds"),
        (data_url(wav(silence(5))), "Nobody is heard"),
        (data_url(b"just text"), "'Ada'"),
        ("https://example.org/ada.wav", "not a data URL"),
    ],
    ids=["short", "long", "silent", "text", "elsewhere"],
)
def test_a_reference_that_is_of_no_use_is_refused(client: OpenAI, reference: str, told: str) -> None:
    known: dict[str, Any] = {"known_speaker_names": ["Ada"], "known_speaker_references": [reference]}
    with pytest.raises(openai.BadRequestError, match=told) as refusal:
        transcribed(client, DIALOGUE, **known, **DIARIZED)
    assert (refusal.value.param, refusal.value.code) == ("known_speaker_references[]", "invalid_value")


def test_the_number_of_speakers_may_be_told(client: OpenAI) -> None:
    answer = transcribed(client, DIALOGUE, extra_body={"num_speakers": 1}, **DIARIZED)
    assert {segment.speaker for segment in answer.segments} == {"A"}


# The other forms of the answer


def test_json_is_the_text(client: OpenAI) -> None:
    answer = transcribed(client, DIALOGUE)
    assert words(answer.text) == said(DIALOGUE)
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 12}


def test_text_is_plain_text(client: OpenAI) -> None:
    assert words(str(transcribed(client, GOODBYE, response_format="text"))) == said(GOODBYE)


@pytest.mark.parametrize("response_format", ["srt", "vtt"])
@pytest.mark.parametrize("limits", [{}, {"max_words_per_line": 3}, {"max_line_width": 20, "max_line_count": 2}])
def test_subtitles_hold_all_that_was_said(client: OpenAI, response_format: str, limits: dict[str, int]) -> None:
    answer = transcribed(client, DIALOGUE, response_format=response_format, extra_body=limits)
    cues = [cue.split("\n") for cue in str(answer).removeprefix("WEBVTT\n\n").strip().split("\n\n")]
    texts = [cue[2 if response_format == "srt" else 1 :] for cue in cues]
    assert words(" ".join(line for text in texts for line in text)) == said(DIALOGUE)
    assert all(len(line) <= limits.get("max_line_width", 1000) for text in texts for line in text)
    assert all(len(" ".join(text).split()) <= limits.get("max_words_per_line", 1000) for text in texts)


def test_words_are_where_they_were_spoken(client: OpenAI) -> None:
    answer = transcribed(client, DIALOGUE, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    true = MANIFEST[DIALOGUE]["words"]
    assert [words(word.word) for word in answer.words] == [words(word["word"]) for word in true]
    late = sorted(abs(word.start - one["start"]) for word, one in zip(answer.words, true, strict=True))
    assert late[len(late) // 2] <= 0.06
    assert words("".join(segment.text for segment in answer.segments)) == said(DIALOGUE)
    assert (answer.language, answer.to_dict()["task"]) == ("english", "transcribe")
    assert transcribed(client, GOODBYE, response_format="verbose_json").words is None


@pytest.mark.parametrize("languages", [["fr"], ["French"]])
def test_one_language_may_come_as_a_list(client: OpenAI, languages: list[str]) -> None:
    answer = transcribed(client, THANKS, languages=languages)
    assert [language.code for language in answer.languages] == ["fr"]


def test_a_translation_is_in_english(client: OpenAI) -> None:
    answer = client.audio.translations.create(model="whisper-1", file=AUDIO / THANKS)
    assert words(answer.text) == "thanks and goodbye"


def test_the_models_can_be_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["micro-whisper"]
    assert client.models.retrieve("whisper-1").id == "micro-whisper"


# Streams


@pytest.mark.parametrize("response_format", ["json", "text"])
def test_deltas_are_followed_by_the_complete_text(client: OpenAI, response_format: str) -> None:
    *deltas, done = streamed(client, AUDIO / MEETING, response_format=response_format)
    assert len(deltas) > 1
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert done.text == transcribed(client, MEETING).text


def test_a_diarized_stream_says_what_the_answer_says(client: OpenAI) -> None:
    answer = transcribed(client, DIALOGUE, **DIARIZED)
    *events, done = streamed(client, AUDIO / DIALOGUE, **DIARIZED)
    segments = [event.to_dict() for event in events if event.type == "transcript.text.segment"]
    assert segments == [segment.to_dict() for segment in answer.segments]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == done.text
    assert done.text == answer.text


@pytest.mark.parametrize("parameters", [{}, DIARIZED], ids=["json", "diarized_json"])
@pytest.mark.parametrize("seconds", [0, 3])
def test_without_speech_there_is_only_the_end(client: OpenAI, parameters: dict[str, Any], seconds: int) -> None:
    (done,) = streamed(client, ("silence.wav", wav(silence(seconds))), **parameters)
    assert (done.type, done.text) == ("transcript.text.done", "")


def test_progress_events_do_no_harm_and_tell_every_stage(client: OpenAI) -> None:
    with client.audio.transcriptions.create(
        model="whisper-1", file=AUDIO / DIALOGUE, stream=True, extra_body={"request_id": "sdk-1"}, **DIARIZED
    ) as stream:
        told = [event.to_dict() for event in stream if event.type == "progress"]
    assert {event["request_id"] for event in told} == {"sdk-1"}
    assert {str(event["stage"]) for event in told} == {"decode", "transcribe", "align", "diarize"}
    fractions = [float(str(event["fraction"])) for event in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


# What is refused


@pytest.mark.parametrize(
    ("param", "options"),
    [
        ("response_format", {"response_format": "xml"}),
        ("temperature", {"temperature": 1.5}),
        ("language", {"language": "klingon"}),
        ("language", {"language": "yue"}),
        ("languages[]", {"languages": ["en", "fr"]}),
        ("timestamp_granularities[]", {"timestamp_granularities": ["word"]}),
        ("include[]", {"include": ["logprobs"]}),
        ("chunking_strategy", {"chunking_strategy": "never"}),
        ("chunking_strategy[type]", {"chunking_strategy": {"type": "semantic_vad"}}),
        ("stream", {"stream": True, "response_format": "srt"}),
        ("known_speaker_references[]", {"known_speaker_names": ["Ada"], **DIARIZED}),
        ("known_speaker_names[]", {"known_speaker_names": ["Ada"]}),
        ("num_speakers", {"extra_body": {"num_speakers": 2}}),
        ("max_line_width", {"extra_body": {"max_line_width": 42}}),
        ("batch_size", {"extra_body": {"batch_size": 0}}),
    ],
    ids=str,
)
def test_unusable_values_raise_bad_request_with_the_field_s_name(
    client: OpenAI, param: str, options: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        transcribed(client, GOODBYE, **options)
    assert (refusal.value.param, refusal.value.code) == (param, "invalid_value")
    assert refusal.value.type == "invalid_request_error"


def test_rubbish_and_unknown_models_have_their_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"rubbish" * 1000))
    assert refusal.value.code == "invalid_audio"
    with pytest.raises(openai.NotFoundError, match="micro-whisper"):
        transcribed(client, GOODBYE, model="whisper-9")
    with pytest.raises(openai.APIStatusError) as large:
        client.audio.transcriptions.create(model="whisper-1", file=("talk.wav", bytes(41 * 1024**2)))
    assert (large.value.status_code, large.value.code) == (413, "upload_too_large")
