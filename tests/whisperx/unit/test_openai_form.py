"""OpenAI's forms as clients send them, from the wire to what the models are told and the answer shall hold."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form
from fastapi.encoders import jsonable_encoder

from engines.transcription import refusals
from engines.transcription.formats import Wanted
from engines.whisperx.known_form import MOST
from engines.whisperx.openai_form import TranscriptionForm, TranslationForm
from engines.whisperx.options import Options

pytestmark = pytest.mark.anyio

Multipart = Form(media_type="multipart/form-data")
FILE = {"file": ("a.wav", b"RIFF")}
DIARIZED = {"response_format": "diarized_json"}
ADA = "data:audio/wav;base64," + base64.b64encode(b"the voice of Ada").decode()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application that answers with what it understood."""
    app = FastAPI()
    refusals.install(app)

    def told(form: TranscriptionForm | TranslationForm) -> dict[str, Any]:
        options = form.options()
        known = [[one.name, one.recording.decode()] for one in options.known]
        return {**asdict(options), "known": known, "wanted": asdict(form.wanted())}

    @app.post("/transcriptions")
    async def transcriptions(form: Annotated[TranscriptionForm, Multipart]) -> dict[str, Any]:
        return {**told(form), "stream": form.stream, "diarized": form.diarized}

    @app.post("/translations")
    async def translations(form: Annotated[TranslationForm, Multipart]) -> dict[str, Any]:
        return told(form)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        yield client


PLAIN = {
    **jsonable_encoder(Options(align=False)),
    "known": [],
    "wanted": jsonable_encoder(Wanted()),
    "stream": False,
    "diarized": False,
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


async def test_only_the_file_is_needed(client: httpx.AsyncClient) -> None:
    assert await understood(client) == PLAIN


async def test_an_empty_field_counts_as_absent(client: httpx.AsyncClient) -> None:
    names = {field.alias or name for name, field in TranscriptionForm.model_fields.items()} - {"file"}
    assert await understood(client, **dict.fromkeys(names, "")) == PLAIN


async def test_what_the_model_is_told_arrives(client: httpx.AsyncClient) -> None:
    fields = {"language": "FR", "prompt": "Équipe", "hotwords": "Ada", "batch_size": "3", "temperature": "0.4"}
    assert (await understood(client, **fields, task="translate"))["listening"] == {
        "language": "fr",
        "task": "translate",
        "prompt": "Équipe",
        "hotwords": "Ada",
        "batch_size": 3,
    }


@pytest.mark.parametrize("name", ["keywords[]", "keywords"])
async def test_keywords_and_hotwords_are_told_together(client: httpx.AsyncClient, name: str) -> None:
    listening = (await understood(client, **{name: ["Ada", "Grace Hopper"]}, hotwords="Linus"))["listening"]
    assert listening["hotwords"] == "Ada, Grace Hopper, Linus"


@pytest.mark.parametrize("name", ["languages[]", "languages"])
async def test_one_language_may_come_as_a_list_and_is_told(client: httpx.AsyncClient, name: str) -> None:
    result = await understood(client, **{name: ["French", "fr"]})
    assert result["listening"]["language"] == "fr"
    assert result["wanted"]["languages"]
    assert (await refused(client, **{name: ["fr", "en"]}))["param"] == "languages[]"


async def test_gpt_transcribe_tells_the_language(client: httpx.AsyncClient) -> None:
    assert (await understood(client, model="gpt-transcribe"))["wanted"]["languages"]


@pytest.mark.parametrize(
    ("fields", "aligned"),
    [
        ({}, False),
        ({"response_format": "text"}, False),
        ({"response_format": "verbose_json"}, True),
        ({"response_format": "srt"}, True),
        ({"response_format": "vtt"}, True),
        (DIARIZED, True),
        ({**DIARIZED, "task": "translate"}, False),
        ({"response_format": "srt", "task": "translate"}, False),
        ({"stream": "true"}, False),
    ],
)
async def test_words_are_aligned_where_times_are_shown(
    client: httpx.AsyncClient, fields: dict[str, str], aligned: Any
) -> None:
    assert (await understood(client, **fields))["align"] is aligned


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
async def test_granularities_are_read_with_and_without_brackets(client: httpx.AsyncClient, name: str) -> None:
    result = await understood(client, response_format="verbose_json", **{name: ["word", "segment"]})
    assert set(result["wanted"]["granularities"]) == {"word", "segment"}
    assert (await refused(client, **{name: "word"}))["param"] == "timestamp_granularities[]"


async def test_subtitles_have_limits(client: httpx.AsyncClient) -> None:
    fields = {"max_line_width": "42", "max_line_count": "2", "max_words_per_line": "7"}
    cues = {"line_width": 42, "line_count": 2, "words_per_line": 7}
    for path in ("/transcriptions", "/translations"):
        assert (await understood(client, path, response_format="srt", **fields))["wanted"]["cues"] == cues


@pytest.mark.parametrize(
    "fields",
    [
        {"chunking_strategy": "auto"},
        {"chunking_strategy": '{"type": "server_vad", "threshold": 0.6}'},
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.6"},
        {"chunking_strategy[prefix_padding_ms]": "300", "chunking_strategy[silence_duration_ms]": "200"},
    ],
)
async def test_a_chunking_strategy_changes_nothing(client: httpx.AsyncClient, fields: dict[str, str]) -> None:
    assert await understood(client, **fields) == PLAIN


@pytest.mark.parametrize("response_format", ["json", "text", "diarized_json"])
async def test_what_has_no_times_is_streamed_and_so_is_who_said_what(
    client: httpx.AsyncClient, response_format: str
) -> None:
    assert (await understood(client, stream="true", response_format=response_format))["stream"]


async def test_a_translation_is_told_to_translate_and_answers_with_the_text_alone(client: httpx.AsyncClient) -> None:
    result = await understood(client, "/translations", prompt="Team", response_format="verbose_json")
    assert (result["listening"]["task"], result["align"], result["speakers"]) == ("translate", False, None)
    assert result["wanted"]["usage"] is None
    ignored = {"language": "klingon", "stream": "perhaps", "num_speakers": "no", "include[]": "logprobs"}
    assert await understood(client, "/translations", **ignored) == await understood(client, "/translations")


# Speakers


async def test_speakers_are_told_apart_for_diarized_json_alone(client: httpx.AsyncClient) -> None:
    assert (await understood(client, model="gpt-4o-transcribe-diarize"))["speakers"] is None
    fields = {**DIARIZED, "min_speakers": "2", "max_speakers": "4"}
    assert (await understood(client, **fields))["speakers"] == {"exactly": None, "at_least": 2, "at_most": 4}


@pytest.mark.parametrize("brackets", ["[]", ""])
async def test_known_speakers_have_a_name_and_a_voice(client: httpx.AsyncClient, brackets: str) -> None:
    fields = {
        f"known_speaker_names{brackets}": ["Ada", "Grace  Hopper"],
        f"known_speaker_references{brackets}": [ADA, "data:,plainly%20Grace"],
    }
    known = (await understood(client, **DIARIZED, **fields))["known"]
    assert known == [["Ada", "the voice of Ada"], ["Grace Hopper", "plainly Grace"]]


@pytest.mark.parametrize("name", ["x" * 100, "Zoë\u200d👩🏽\u200d🔬", "نرگس\u200cها", "李 雷", "J. O'Hara-Lee (2)"])  # noqa: RUF001
async def test_names_may_be_of_any_language(client: httpx.AsyncClient, name: str) -> None:
    known = (await understood(client, **DIARIZED, **{NAMES: [name], REFERENCES: [ADA]}))["known"]
    assert known == [[name, "the voice of Ada"]]


NAMES, REFERENCES = "known_speaker_names[]", "known_speaker_references[]"


@pytest.mark.parametrize(
    ("names", "references", "param", "told"),
    [
        (
            ["Ada"],
            [],
            REFERENCES,
            "known_speaker_names[] has 1, known_speaker_references[] has 0: each name needs one recording",
        ),
        ([], [ADA], NAMES, "each name needs one recording"),
        (["Ada", "Grace"], [ADA], REFERENCES, "each name needs one recording"),
        ([f"Ada {number}" for number in range(MOST + 1)], [ADA] * (MOST + 1), NAMES, "4 speakers at most"),
        (["Ada", " Ada "], [ADA, ADA], NAMES, "two have the same name"),
        ([" \n"], [ADA], NAMES, "a name is blank"),
        (["Ada" * 34], [ADA], NAMES, "a name has more than 100 characters"),
        (["A\0da"], [ADA], NAMES, "a name has control characters"),
        (["A\x1b[31mda"], [ADA], NAMES, "a name has control characters"),
        (["Ada\u202e"], [ADA], NAMES, "a name has control characters"),
        (["Ada"], ["https://example.org/ada.wav"], REFERENCES, "that of 'Ada' is not a data URL"),
        (["Ada"], ["/etc/passwd"], REFERENCES, "that of 'Ada' is not a data URL"),
        (["Ada"], ["data:audio/wav;base64"], REFERENCES, "that of 'Ada' is not a data URL"),
        (["Ada"], ["data:audio/wav;base64,"], REFERENCES, "that of 'Ada' is empty"),
        (["Ada"], ["data:audio/wav;base64,?"], REFERENCES, "that of 'Ada' is not valid base64"),
        (["Ada"], ["data:audio/wav;base64,UklGRg"], REFERENCES, "that of 'Ada' is not valid base64"),
    ],
)
async def test_speakers_who_cannot_be_known_are_refused(
    client: httpx.AsyncClient, names: list[str], references: list[str], param: str, told: str
) -> None:
    error = await refused(client, **DIARIZED, **{NAMES: names, REFERENCES: references})
    assert error["param"] == param
    assert told in error["message"]


# What is refused


@pytest.mark.parametrize(
    ("param", "fields", "told"),
    [
        ("response_format", {"response_format": "xml"}, "diarized_json"),
        ("temperature", {"temperature": "1.1"}, ""),
        ("temperature", {"temperature": "nan"}, ""),
        ("language", {"language": "klingon"}, ""),
        ("languages[]", {"languages[]": "klingon"}, ""),
        ("include[]", {"include[]": "logprobs"}, "the faster engine does"),
        ("include", {"include": "logprobs"}, "the faster engine does"),
        ("stream", {"stream": "perhaps"}, ""),
        ("stream", {"stream": "true", "response_format": "srt"}, "json, text or diarized_json"),
        ("stream", {"stream": "true", "response_format": "verbose_json"}, "json, text or diarized_json"),
        ("task", {"task": "summarize"}, ""),
        ("batch_size", {"batch_size": "0"}, ""),
        ("chunking_strategy", {"chunking_strategy": "never"}, "nor is it auto"),
        ("chunking_strategy[type]", {"chunking_strategy[type]": "semantic_vad"}, ""),
        ("chunking_strategy[threshold]", {"chunking_strategy[threshold]": "2"}, ""),
        ("timestamp_granularities[]", {"timestamp_granularities[]": "line"}, ""),
        ("timestamp_granularities[]", {**DIARIZED, "timestamp_granularities[]": "word"}, "verbose_json"),
        (
            "timestamp_granularities[]",
            {"response_format": "verbose_json", "task": "translate", "timestamp_granularities[]": "word"},
            "never said",
        ),
        ("max_line_width", {"max_line_width": "42"}, "srt or vtt"),
        ("max_line_width", {**DIARIZED, "max_line_width": "42"}, "srt or vtt"),
        ("num_speakers", {"num_speakers": "2"}, "response_format=diarized_json"),
        ("min_speakers", {**DIARIZED, "min_speakers": "3", "max_speakers": "2"}, ""),
        (NAMES, {NAMES: "Ada", REFERENCES: ADA}, "response_format=diarized_json"),
        (REFERENCES, {REFERENCES: ADA}, "response_format=diarized_json"),
        ("request_id", {"request_id": "a b"}, "request_id: must be up to 128 characters, each a letter"),
        ("request_id", {"request_id": "x" * 129}, "up to 128 characters"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(
    client: httpx.AsyncClient, param: str, fields: dict[str, Any], told: str
) -> None:
    error = await refused(client, **fields)
    assert error["param"] == param
    assert told in error["message"]


async def test_a_translation_cannot_tell_speakers_apart(client: httpx.AsyncClient) -> None:
    assert (await refused(client, "/translations", **DIARIZED))["param"] == "response_format"
