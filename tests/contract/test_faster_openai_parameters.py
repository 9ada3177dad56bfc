"""Every parameter of OpenAI's transcriptions, and every extension, does what it says on the real engine."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.speech import DIALOGUE, GOODBYE, THANKS, recording, said, words
from tests.unit.engines.recordings import AUDIO

pytestmark = pytest.mark.model


def transcribed(client: OpenAI, name: str, **parameters: Any) -> Any:
    return client.audio.transcriptions.create(**{"model": "whisper-1", "file": AUDIO / name, **parameters})


# Languages


@pytest.mark.parametrize("language", ["fr", "FR", "french"])
def test_a_language_is_taken_on_trust(client: OpenAI, language: str) -> None:
    answer = transcribed(client, THANKS, language=language, response_format="verbose_json")
    assert (answer.language, words(answer.text)) == ("french", said(THANKS))
    assert transcribed(client, GOODBYE, language=language, response_format="verbose_json").language == "french"


def test_an_empty_language_means_detect(engine: Engine) -> None:
    answer = engine.post(recording(THANKS), language="", response_format="verbose_json")
    assert (answer.status_code, answer.json()["language"]) == (200, "french")


@pytest.mark.parametrize(
    ("name", "languages", "expected"),
    [(GOODBYE, ["en", "fr"], "en"), (THANKS, ["en", "fr"], "fr"), (GOODBYE, ["fr"], "fr"), (THANKS, ["English"], "en")],
)
def test_of_candidate_languages_the_likeliest_is_taken(
    client: OpenAI, name: str, languages: list[str], expected: str
) -> None:
    answer = transcribed(client, name, languages=languages)
    assert [language.code for language in answer.languages] == [expected]


def test_who_does_not_ask_for_languages_is_not_told(client: OpenAI) -> None:
    assert transcribed(client, GOODBYE).languages is None


# What the model is told besides


@pytest.mark.parametrize(
    "parameters",
    [{"prompt": "Thanks."}, {"keywords": ["goodbye", "team"]}, {"extra_body": {"hotwords": "goodbye"}}],
    ids=["prompt", "keywords", "hotwords"],
)
def test_texts_are_told_to_the_model_and_counted(client: OpenAI, parameters: dict[str, Any]) -> None:
    def told(**parameters: Any) -> int:
        count: int = transcribed(client, GOODBYE, model="gpt-4o-transcribe", **parameters).usage.to_dict()[
            "input_token_details"
        ]["text_tokens"]
        return count

    assert told(**parameters) > told() == 0


def test_a_temperature_is_used_and_zero_is_greedy(client: OpenAI) -> None:
    def used(temperature: float) -> set[float]:
        answer = transcribed(client, GOODBYE, language="en", temperature=temperature, response_format="verbose_json")
        return {segment.temperature for segment in answer.segments}

    assert used(0) == {0.0}
    assert used(0.4) <= {0.4}


@pytest.mark.parametrize("beam_size", [1, 10])
def test_the_beam_may_be_narrow_or_wide(client: OpenAI, beam_size: int) -> None:
    assert words(transcribed(client, GOODBYE, extra_body={"beam_size": beam_size}).text) == said(GOODBYE)


def test_a_task_may_be_given_with_the_form(client: OpenAI) -> None:
    answer = transcribed(client, THANKS, extra_body={"task": "translate"}, response_format="verbose_json")
    assert (answer.to_dict()["task"], answer.language) == ("translate", "english")
    assert words(answer.text) == "thanks and goodbye"


# What the answer holds


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
def test_granularities_are_understood_with_and_without_brackets(engine: Engine, name: str) -> None:
    answer = engine.post(recording(GOODBYE), response_format="verbose_json", **{name: ["word", "segment"]}).json()
    assert [words(word["word"]) for word in answer["words"]] == ["thanks", "goodbye"]
    assert answer["segments"]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
@pytest.mark.parametrize("name", [DIALOGUE, THANKS])
def test_logprobs_spell_the_text_token_by_token(client: OpenAI, name: str, model: str) -> None:
    answer = transcribed(client, name, model=model, include=["logprobs"])
    assert bytes(int(byte) for token in answer.logprobs for byte in token.bytes).decode().strip() == answer.text
    assert all(token.logprob <= 0 for token in answer.logprobs)
    assert min(token.logprob for token in answer.logprobs) < 0
    assert transcribed(client, name, model=model).logprobs is None


# What is taken for speech: at a threshold of 1 nothing is, so an empty text shows who was listened to

DEAF: list[dict[str, Any]] = [
    {"chunking_strategy": {"type": "server_vad", "threshold": 1.0}},
    {"extra_body": {"chunking_strategy": '{"type": "server_vad", "threshold": 1}'}},
    {"extra_body": {"vad_parameters": '{"threshold": 1}'}},
    {"extra_body": {"vad_parameters": '{"threshold": 1}', "vad_filter": True}},
]
HEARING: list[dict[str, Any]] = [
    {"chunking_strategy": "auto"},
    {"chunking_strategy": {"type": "server_vad"}},
    {
        "chunking_strategy": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 400,
            "silence_duration_ms": 500,
        }
    },
    {"extra_body": {"vad_filter": True}},
    {"extra_body": {"vad_filter": False}},
    {"extra_body": {"vad_filter": False, "vad_parameters": '{"threshold": 1}'}},
    {"extra_body": {"vad_filter": True, "vad_parameters": '{"max_speech_duration_s": null, "neg_threshold": 0.2}'}},
    {"extra_body": {"vad_parameters": '{"min_speech_duration_ms": 100, "max_speech_duration_s": 1}'}},
]


@pytest.mark.parametrize("parameters", DEAF, ids=str)
def test_what_is_no_speech_by_these_settings_is_not_heard(client: OpenAI, parameters: dict[str, Any]) -> None:
    assert transcribed(client, GOODBYE, **parameters).text == ""


@pytest.mark.parametrize("parameters", HEARING, ids=str)
def test_what_is_speech_by_these_settings_is_heard(client: OpenAI, parameters: dict[str, Any]) -> None:
    assert words(transcribed(client, GOODBYE, **parameters).text) == said(GOODBYE)


@pytest.mark.parametrize("longest", ["1", "30", "null"])
@pytest.mark.parametrize("padding", ["0", "400", "30000", "86400000"])
@pytest.mark.parametrize("silence", ["0", "2000", "86400000"])
def test_no_settings_of_the_filter_make_the_engine_fail(
    engine: Engine, longest: str, padding: str, silence: str
) -> None:
    settings = f'"max_speech_duration_s": {longest}, "speech_pad_ms": {padding}, "min_silence_duration_ms": {silence}'
    for others in ('"threshold": 0, "neg_threshold": 1', '"threshold": 1, "neg_threshold": 0', '"threshold": 0.5'):
        answer = engine.post(
            recording(DIALOGUE),
            vad_parameters=f"{{{settings}, {others}}}",
            response_format="verbose_json",
            language="en",
            beam_size="1",
        )
        assert answer.status_code == 200, answer.text
