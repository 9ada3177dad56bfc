"""Form fields as clients send them, from the wire to what the model is told and the answer shall hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form
from fastapi.encoders import jsonable_encoder

from engines.faster.options import ListeningOptions, SpeechFilter
from engines.faster.request import LanguageForm, TranscriptionForm, TranslationForm
from engines.transcription import refusals
from engines.transcription.formats import ResponseFormat, Wanted
from engines.transcription.subtitles import CueLimits

pytestmark = pytest.mark.anyio

Multipart = Form(media_type="multipart/form-data")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application that answers with what it understood."""
    app = FastAPI()
    refusals.install(app)

    @app.post("/transcriptions")
    async def transcriptions(form: Annotated[TranscriptionForm, Multipart]) -> dict[str, Any]:
        return {"model": form.model, "stream": form.stream, **asdict(form.options()), "wanted": asdict(form.wanted())}

    @app.post("/translations")
    async def translations(form: Annotated[TranslationForm, Multipart]) -> dict[str, Any]:
        return {**asdict(form.options()), "wanted": asdict(form.wanted())}

    @app.post("/language")
    async def language(form: Annotated[LanguageForm, Multipart]) -> dict[str, Any]:
        return {"model": form.model, "bytes": form.file.size}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        yield client


FILE = {"file": ("a.wav", b"RIFF")}
DEFAULTS = {
    "model": None,
    "stream": False,
    **jsonable_encoder(ListeningOptions(times=False)),
    "wanted": jsonable_encoder(Wanted()),
}


async def understood(client: httpx.AsyncClient, path: str = "/transcriptions", /, **fields: Any) -> dict[str, Any]:
    answer = await client.post(path, data=fields, files=FILE)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def refused(client: httpx.AsyncClient, path: str = "/transcriptions", /, **fields: Any) -> dict[str, str]:
    answer = await client.post(path, data=fields, files=FILE)
    assert answer.status_code == 400, answer.text
    error: dict[str, str] = answer.json()["error"]
    assert error["code"] == "invalid_value"
    return error


async def wanted(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    result: dict[str, Any] = (await understood(client, **fields))["wanted"]
    return result


def names() -> list[str]:
    return [field.alias or name for name, field in TranscriptionForm.model_fields.items()]


async def test_only_the_file_is_needed(client: httpx.AsyncClient) -> None:
    assert await understood(client) == DEFAULTS


async def test_an_empty_field_counts_as_absent(client: httpx.AsyncClient) -> None:
    """Clients send `language=""` for "detect"."""
    assert await understood(client, **dict.fromkeys(set(names()) - {"file"}, "")) == DEFAULTS


async def test_what_the_model_is_told_arrives(client: httpx.AsyncClient) -> None:
    fields = {"model": "whisper-1", "language": "FR", "prompt": "Équipe", "temperature": "0.4", "beam_size": "3"}
    assert await understood(client, **fields, task="translate") == {
        **DEFAULTS,
        "model": "whisper-1",
        "language": "fr",
        "prompt": "Équipe",
        "temperature": 0.4,
        "beam_size": 3,
        "task": "translate",
    }


@pytest.mark.parametrize(("asked", "told"), [("1e-40", 0.0), ("5e-324", 0.0), ("0.001", 0.001), ("-0.0", 0.0)])
async def test_a_temperature_too_small_to_compute_with_counts_as_zero(
    client: httpx.AsyncClient, asked: str, told: float
) -> None:
    assert (await understood(client, temperature=asked))["temperature"] == told


@pytest.mark.parametrize("name", ["languages[]", "languages"])
async def test_languages_are_candidates_and_the_answer_names_one(client: httpx.AsyncClient, name: str) -> None:
    result = await understood(client, **{name: ["fr", "English", "", "fr"]})
    assert result["languages"] == ["fr", "en"]
    assert result["wanted"]["languages"]


@pytest.mark.parametrize("name", ["keywords[]", "keywords"])
async def test_keywords_and_hotwords_are_told_together(client: httpx.AsyncClient, name: str) -> None:
    assert (await understood(client, **{name: ["Ada", "Grace Hopper"]}))["hotwords"] == "Ada, Grace Hopper"
    assert (await understood(client, **{name: "Ada", "hotwords": "Linus"}))["hotwords"] == "Ada, Linus"
    assert (await understood(client, hotwords="Linus"))["hotwords"] == "Linus"


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
@pytest.mark.parametrize(
    ("values", "listed"),
    [
        ("word", {"word"}),
        ("segment", {"segment"}),
        (["word", "segment"], {"segment", "word"}),
        (["word"] * 2, {"word"}),
    ],
)
async def test_granularities_are_read_with_and_without_brackets(
    client: httpx.AsyncClient, name: str, values: Any, listed: set[str]
) -> None:
    result = await understood(client, response_format="verbose_json", **{name: values})
    assert set(result["wanted"]["granularities"]) == listed
    assert result["words"] == ("word" in listed)


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
async def test_granularities_need_verbose_json(client: httpx.AsyncClient, name: str) -> None:
    error = await refused(client, **{name: "word"})
    assert error["param"] == "timestamp_granularities[]"
    assert "verbose_json" in error["message"]


async def test_the_model_need_not_care_for_times_that_nobody_sees(client: httpx.AsyncClient) -> None:
    times = {form: (await understood(client, response_format=form))["times"] for form in ResponseFormat}
    assert {form for form, wanted in times.items() if not wanted} == {"json", "text"}


@pytest.mark.parametrize("name", ["include[]", "include"])
@pytest.mark.parametrize("fields", [{}, {"stream": "true"}, {"stream": "true", "response_format": "text"}])
async def test_logprobs_come_in_json_and_in_a_stream(
    client: httpx.AsyncClient, name: str, fields: dict[str, str]
) -> None:
    result = await understood(client, **{name: "logprobs"}, **fields)
    assert result["logprobs"]
    assert result["wanted"]["logprobs"]


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt", "verbose_json"])
async def test_logprobs_have_no_place_in_another_format(client: httpx.AsyncClient, response_format: str) -> None:
    error = await refused(client, **{"include[]": "logprobs", "response_format": response_format})
    assert error["param"] == "include[]"
    assert "json" in error["message"]


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
async def test_only_json_and_text_are_streamed(client: httpx.AsyncClient, response_format: str) -> None:
    error = await refused(client, stream="true", response_format=response_format)
    assert error["param"] == "stream"
    assert "json or text" in error["message"]


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({}, "duration"),
        ({"model": "whisper-1"}, "duration"),
        ({"model": "gpt-4o-transcribe"}, "tokens"),
        ({"stream": "true"}, "tokens"),
        ({"stream": "false"}, "duration"),
    ],
)
async def test_usage_is_counted_as_openai_s_model_of_that_name_counts(
    client: httpx.AsyncClient, fields: dict[str, str], usage: str
) -> None:
    assert (await wanted(client, **fields))["usage"] == usage


async def test_languages_are_told_to_those_who_ask_for_gpt_transcribe(client: httpx.AsyncClient) -> None:
    assert (await wanted(client, model="gpt-transcribe"))["languages"]
    assert not (await wanted(client, model="gpt-4o-transcribe"))["languages"]


# What is taken for speech


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"vad_filter": "true"}, SpeechFilter()),
        ({"vad_filter": "false"}, None),
        ({"vad_parameters": '{"threshold": 0.6}'}, SpeechFilter(threshold=0.6)),
        ({"vad_parameters": '{"threshold": 0.6}', "vad_filter": "false"}, None),
        ({"chunking_strategy": "auto"}, SpeechFilter()),
        ({"chunking_strategy": '{"type": "server_vad", "threshold": 0.6}'}, SpeechFilter(threshold=0.6)),
        ({"chunking_strategy[type]": "server_vad"}, SpeechFilter()),
        ({"chunking_strategy": "auto", "vad_filter": "false"}, None),
        (
            {
                "chunking_strategy[type]": "server_vad",
                "chunking_strategy[threshold]": "0.6",
                "chunking_strategy[prefix_padding_ms]": "300",
                "chunking_strategy[silence_duration_ms]": "200",
            },
            SpeechFilter(threshold=0.6, speech_pad_ms=300, min_silence_duration_ms=200),
        ),
        (
            {"chunking_strategy[threshold]": "0.6", "vad_parameters": '{"threshold": 0.7}', "vad_filter": "true"},
            SpeechFilter(threshold=0.7),
        ),
    ],
)
async def test_what_is_no_speech_is_left_out_as_told(
    client: httpx.AsyncClient, fields: dict[str, str], expected: SpeechFilter | None
) -> None:
    result = await understood(client, **fields)
    assert result["vad"] == (None if expected is None else asdict(expected))
    assert result["in_order"] == (fields.get("vad_filter") == "false")


# Subtitles


async def test_limits_of_cues_need_the_words_times(client: httpx.AsyncClient) -> None:
    fields = {"max_line_width": "42", "max_line_count": "2", "max_words_per_line": "7"}
    result = await understood(client, response_format="srt", **fields)
    assert result["wanted"]["cues"] == {"line_width": 42, "line_count": 2, "words_per_line": 7}
    assert result["words"]
    assert not (await understood(client, response_format="vtt"))["words"]


@pytest.mark.parametrize("name", ["max_line_width", "max_line_count", "max_words_per_line"])
@pytest.mark.parametrize("response_format", ["json", "text", "verbose_json"])
async def test_limits_of_cues_need_cues(client: httpx.AsyncClient, name: str, response_format: str) -> None:
    error = await refused(client, **{name: "3", "response_format": response_format})
    assert error["param"] == name
    assert "srt or vtt" in error["message"]


# The other forms


async def test_a_translation_is_told_to_translate_and_answers_with_the_text_alone(client: httpx.AsyncClient) -> None:
    result = await understood(client, "/translations", prompt="Team", response_format="vtt", max_line_width="9")
    assert (result["task"], result["language"], result["prompt"]) == ("translate", None, "Team")
    shape = Wanted(ResponseFormat.VTT, usage=None, cues=CueLimits(line_width=9))
    assert result["wanted"] == jsonable_encoder(asdict(shape))


async def test_a_translation_takes_neither_language_nor_stream(client: httpx.AsyncClient) -> None:
    """OpenAI's has no such fields, and fields that we do not know are ignored."""
    fields = {"language": "klingon", "stream": "perhaps", "timestamp_granularities[]": "word"}
    assert await understood(client, "/translations", **fields) == await understood(client, "/translations")


async def test_to_detect_the_language_the_file_is_enough(client: httpx.AsyncClient) -> None:
    assert await understood(client, "/language", model="") == {"model": None, "bytes": 4}


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "xml"),
        ("response_format", "JSON"),
        ("temperature", "warm"),
        ("temperature", "-0.1"),
        ("temperature", "1.1"),
        ("temperature", "nan"),
        ("temperature", "1e999"),
        ("language", "klingon"),
        ("languages[]", "klingon"),
        ("timestamp_granularities[]", "line"),
        ("timestamp_granularities", "line"),
        ("include[]", "everything"),
        ("stream", "perhaps"),
        ("task", "summarize"),
        ("beam_size", "0"),
        ("beam_size", "11"),
        ("beam_size", "9" * 5_000),
        ("vad_filter", "loud"),
        ("vad_parameters", '{"volume": 1}'),
        ("chunking_strategy", "none"),
        ("chunking_strategy[type]", "semantic_vad"),
        ("chunking_strategy[threshold]", "2"),
        ("chunking_strategy[prefix_padding_ms]", "-1"),
        ("chunking_strategy[silence_duration_ms]", "long"),
        ("max_line_width", "0"),
        ("max_line_count", "-1"),
        ("max_words_per_line", "1.5"),
    ],
)
async def test_unusable_values_are_refused_by_name(client: httpx.AsyncClient, field: str, value: str) -> None:
    error = await refused(client, **{field: value})
    assert error["param"] == field
    assert error["message"].startswith(f"{field}: ")
    assert len(error["message"]) < 300


@pytest.mark.parametrize("field", ["vad_parameters", "max_line_width", "response_format", "beam_size", "temperature"])
async def test_translations_refuse_by_the_same_rules(client: httpx.AsyncClient, field: str) -> None:
    assert (await refused(client, "/translations", **{field: "?"}))["param"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "diarized_json"),
        ("known_speaker_names[]", ["Ada", "Grace"]),
        ("known_speaker_names", "Ada"),
        ("known_speaker_references[]", "data:audio/wav;base64,UklGRg=="),
        ("known_speaker_references", "data:audio/wav;base64,UklGRg=="),
    ],
)
async def test_to_tell_speakers_apart_the_other_engine_is_named(
    client: httpx.AsyncClient, field: str, value: Any
) -> None:
    error = await refused(client, **{field: value})
    assert error["param"] == field
    assert "the whisperx engine" in error["message"]


async def test_fields_that_we_do_not_know_are_ignored(client: httpx.AsyncClient) -> None:
    assert await understood(client, **{"seed": "7", "chunking_strategy[color]": "red"}) == DEFAULTS
