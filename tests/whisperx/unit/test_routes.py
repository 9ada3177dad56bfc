"""The engine's own routes, with a desk that only notes what it is asked: what is answered, refused and documented."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from engines.transcription.errors import BadAudio, ModelUnavailable
from engines.whisperx.align_form import AlignForm
from engines.whisperx.conversation import Segment
from engines.whisperx.diarize_form import DiarizeForm
from engines.whisperx.openai_form import TranscriptionForm, TranslationForm
from engines.whisperx.options import ListeningOptions, Options, SpeakerOptions
from engines.whisperx.transcribe_form import TranscribeForm
from tests.whisperx.unit.scripted_desk import FILE, ROUTES, ScriptedDesk, client, desk, posted

pytestmark = pytest.mark.anyio

__all__ = ["client", "desk"]  # fixtures


async def refused(client: httpx.AsyncClient, path: str, /, **fields: Any) -> dict[str, Any]:
    answer = await client.post(path, data={**ROUTES.get(path, {}), **fields}, files=FILE)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (400, 400, "invalid_value"), answer.text
    return problem


# What is answered


async def test_the_guide_s_client_finds_a_speaker_in_every_segment(client: httpx.AsyncClient) -> None:
    result = (await posted(client, "/transcribe", model="base", language="fr", diarize="true")).json()
    assert [f"{segment['speaker']}: {segment['text']}" for segment in result["segments"]] == [
        "SPEAKER_01: Good morning.",
        "SPEAKER_00: Bonjour à tous.",
    ]
    assert (result["language"], result["duration"]) == ("en", 3.2)
    assert result["warnings"] == ["Something could not be done."]
    assert [segment.get("speaker_confident") for segment in result["segments"]] == [None, False]


async def test_without_diarize_nobody_has_a_speaker(client: httpx.AsyncClient) -> None:
    result = (await posted(client, "/transcribe")).json()
    assert "speaker" not in result["segments"][0]
    assert [word["word"] for word in result["segments"][0]["words"]] == ["Good", "morning."]
    assert "words" not in (await posted(client, "/transcribe", align="false")).json()["segments"][0]


@pytest.mark.parametrize(
    ("output", "content_type", "beginning"),
    [
        ("json", "application/json", '{"segments": '),
        ("srt", "text/plain", "1\n00:00:00,500 --> 00:00:01,500\n[SPEAKER_01]: Good morning.\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\n[SPEAKER_01]: Good morning.\n"),
        ("txt", "text/plain", "[SPEAKER_01]: Good morning.\n"),
        ("tsv", "text/tab-separated-values", "start\tend\ttext\n500\t1500\t[SPEAKER_01]: Good morning.\n"),
    ],
)
async def test_every_output_has_its_type(
    client: httpx.AsyncClient, output: str, content_type: str, beginning: str
) -> None:
    answer = await posted(client, "/transcribe", diarize="true", output=output)
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.text.startswith(beginning)
    assert "à tous." in answer.text


async def test_aligned_transcripts_have_the_same_outputs(client: httpx.AsyncClient) -> None:
    assert (await posted(client, "/align")).json()["segments"][0]["words"]
    assert (await posted(client, "/align", output="txt")).text == "Good morning.\nBonjour à tous.\n"


async def test_turns_come_as_json_or_rttm(client: httpx.AsyncClient) -> None:
    result = (await posted(client, "/diarize")).json()
    assert result["turns"][0] == {"start": 0.4, "end": 1.6, "speaker": "SPEAKER_01"}
    assert result["speakers"] == ["SPEAKER_01", "SPEAKER_00"]
    answer = await posted(client, "/diarize", output="rttm")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines()[0] == "SPEAKER talk 1 0.400 1.200 <NA> <NA> SPEAKER_01 <NA> <NA>"


@pytest.mark.parametrize(
    ("filename", "charset", "name"),
    [
        ("/a/my talk.final.mp3", "utf-8", "my_talk.final"),
        ("é.wav", "utf-8", "é"),
        (".wav", "utf-8", ".wav"),
        ("", "utf-8", "<NA>"),
        (r"\ud800.wav", "unicode_escape", "?"),
    ],
)
async def test_the_recording_s_name_in_rttm_is_that_of_its_file(
    client: httpx.AsyncClient, filename: str, charset: str, name: str
) -> None:
    """A form's charset may produce half a character, which could not be sent back."""
    part = b'--B\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = part % (b"output", b"rttm") + part % (b'file"; filename="%b' % filename.encode(), b"RIFF") + b"--B--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary=B; charset={charset}"}
    answer = await client.post("/diarize", content=body, headers=headers)
    assert answer.text.split()[1] == name


# What the desk is asked


async def test_what_the_form_says_is_what_the_desk_is_asked(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    fields = {"language": "French", "task": "translate", "prompt": "Équipe", "hotwords": "Ada", "batch_size": "4"}
    await posted(client, "/transcribe", model="base", **fields, diarize="true", min_speakers="2", max_speakers="5")
    listening = ListeningOptions("fr", "translate", "Équipe", "Ada", 4)
    options = Options(listening, align=False, speakers=SpeakerOptions(at_least=2, at_most=5))
    assert desk.asked == [("transcribe", b"RIFF", "base", options)]


@pytest.mark.parametrize(
    ("fields", "aligned"),
    [
        ({}, True),
        ({"align": "true"}, True),
        ({"align": "false"}, False),
        ({"align": ""}, True),
        ({"task": "translate"}, False),
        ({"task": "translate", "align": "false"}, False),
    ],
)
async def test_words_are_aligned_unless_told_otherwise_or_never_said(
    client: httpx.AsyncClient, desk: ScriptedDesk, fields: dict[str, str], aligned: Any
) -> None:
    await posted(client, "/transcribe", **fields)
    assert desk.asked[0][3].align is aligned


async def test_an_empty_field_counts_as_absent(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    """Clients send `language=""` for "detect"."""
    await posted(client, "/transcribe", **dict.fromkeys(set(TranscribeForm.model_fields) - {"file"}, ""))
    await posted(client, "/transcribe")
    assert desk.asked[0] == desk.asked[1] == ("transcribe", b"RIFF", "base", Options())


@pytest.mark.parametrize(
    ("fields", "speakers"),
    [
        ({}, SpeakerOptions()),
        ({"num_speakers": "2"}, SpeakerOptions(exactly=2)),
        ({"num_speakers": "2", "min_speakers": "1", "max_speakers": "2"}, SpeakerOptions(2, 1, 2)),
    ],
)
async def test_numbers_of_speakers_are_told_on_both_routes(
    client: httpx.AsyncClient, desk: ScriptedDesk, fields: dict[str, str], speakers: SpeakerOptions
) -> None:
    await posted(client, "/diarize", **fields)
    await posted(client, "/transcribe", diarize="true", **fields)
    assert desk.asked[0] == ("diarize", b"RIFF", speakers)
    assert desk.asked[1][3].speakers == speakers


async def test_a_transcript_is_told_as_segments(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    await posted(client, "/align", language="English")
    assert desk.asked == [("align", b"RIFF", (Segment(0.5, 1.5, "Good morning."),), "en")]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a mark"])
async def test_a_transcript_may_be_a_file_and_larger_than_a_text(
    client: httpx.AsyncClient, desk: ScriptedDesk, start: bytes
) -> None:
    text = "Good morning. " * 500_000
    content = json.dumps({"segments": [{"start": 0, "end": 9, "text": text, "words": []}], "language": "en"}).encode()
    files = {**FILE, "transcript": ("talk.json", start + content)}
    answer = await client.post("/align", data={"language": "en"}, files=files)
    assert answer.status_code == 200, answer.text
    assert desk.asked[0][2] == (Segment(0.0, 9.0, text.strip()),)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff", "is not valid UTF-8"), (b" " * (32 * 1024**2 + 1), "is larger than 32 MB"), (b"", "no words in it")],
    ids=["bytes", "much", "nothing"],
)
async def test_a_file_that_is_no_transcript_is_refused(client: httpx.AsyncClient, content: bytes, told: str) -> None:
    files = {**FILE, "transcript": ("talk.json", content)}
    answer = await client.post("/align", data={"language": "en"}, files=files)
    assert (answer.status_code, answer.json()["param"]) == (400, "transcript")
    assert told in answer.json()["detail"]


# What is refused


@pytest.mark.parametrize(
    ("path", "param", "fields"),
    [
        ("/transcribe", "language", {"language": "klingon"}),
        ("/transcribe", "diarize", {"diarize": "perhaps"}),
        ("/transcribe", "align", {"align": "perhaps"}),
        ("/transcribe", "align", {"align": "true", "task": "translate"}),
        ("/transcribe", "task", {"task": "summarize"}),
        ("/transcribe", "output", {"output": "rttm"}),
        ("/transcribe", "output", {"output": "JSON"}),
        ("/transcribe", "stream", {"stream": "true", "output": "srt"}),
        ("/transcribe", "batch_size", {"batch_size": "0"}),
        ("/transcribe", "batch_size", {"batch_size": "257"}),
        ("/transcribe", "batch_size", {"batch_size": "9" * 5_000}),
        ("/transcribe", "min_speakers", {"min_speakers": "2"}),
        ("/transcribe", "max_speakers", {"max_speakers": "2", "diarize": "false"}),
        ("/transcribe", "num_speakers", {"num_speakers": "2"}),
        ("/transcribe", "num_speakers", {"num_speakers": "two", "diarize": "true"}),
        ("/transcribe", "num_speakers", {"num_speakers": "0", "diarize": "true"}),
        ("/transcribe", "min_speakers", {"diarize": "true", "min_speakers": "3", "max_speakers": "2"}),
        ("/diarize", "min_speakers", {"min_speakers": "3", "max_speakers": "2"}),
        ("/diarize", "num_speakers", {"num_speakers": "2", "min_speakers": "3"}),
        ("/diarize", "num_speakers", {"num_speakers": "4", "max_speakers": "3"}),
        ("/diarize", "max_speakers", {"max_speakers": "101"}),
        ("/diarize", "output", {"output": "srt"}),
        ("/diarize", "request_id", {"request_id": "a b"}),
        ("/transcribe", "request_id", {"request_id": "x" * 129}),
        ("/align", "request_id", {"request_id": "../../etc"}),
        ("/align", "language", {"language": ""}),
        ("/align", "language", {"language": "klingon"}),
        ("/align", "transcript", {"transcript": ""}),
        ("/align", "transcript", {"transcript": "[]"}),
        ("/align", "transcript", {"transcript": '{"text": "Good morning."}'}),
        ("/align", "output", {"output": "rttm"}),
    ],
)
async def test_what_cannot_be_used_is_a_problem_that_names_the_field(
    client: httpx.AsyncClient, desk: ScriptedDesk, path: str, param: str, fields: dict[str, str]
) -> None:
    problem = await refused(client, path, **fields)
    assert problem["param"] == param
    assert param in problem["detail"]
    assert not desk.asked


@pytest.mark.parametrize("path", ROUTES)
async def test_a_missing_file_is_refused_and_the_way_told(client: httpx.AsyncClient, path: str) -> None:
    forms: list[dict[str, Any]] = [{"data": ROUTES[path] or {"x": "y"}}, {"json": {"file": "talk.mp3"}}, {}]
    for form in forms:
        answer = await client.post(path, **form)
        assert (answer.status_code, answer.json()["param"]) == (400, "file")
        assert "multipart/form-data" in answer.json()["detail"]


async def test_an_unknown_model_is_404_and_nothing_is_computed(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    answer = await client.post("/transcribe", data={"model": "large-v9"}, files=FILE)
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (404, "model_not_found", "model")
    assert not desk.asked


@pytest.mark.parametrize("path", ROUTES)
async def test_refusals_of_the_desk_are_passed_on(client: httpx.AsyncClient, desk: ScriptedDesk, path: str) -> None:
    desk.failure = BadAudio("No audio.")
    assert (await client.post(path, data=ROUTES[path], files=FILE)).json()["code"] == "invalid_audio"
    desk.failure = ModelUnavailable("Not now.", retry_after=5)
    answer = await client.post(path, data=ROUTES[path], files=FILE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "Not now."


# What is documented


async def schema(client: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await client.get("/openapi.json")).json()
    return described


@pytest.mark.parametrize("form", [TranscribeForm, AlignForm, DiarizeForm, TranscriptionForm, TranslationForm])
async def test_every_form_field_is_described(client: httpx.AsyncClient, form: type[BaseModel]) -> None:
    properties = (await schema(client))["components"]["schemas"][form.__name__]["properties"]
    assert set(properties) == {field.alias or name for name, field in form.model_fields.items()}
    assert all(field.get("description") for field in properties.values())


async def test_every_route_is_summarised_and_no_answer_is_documented_that_we_never_give(
    client: httpx.AsyncClient,
) -> None:
    """FastAPI documents its own 422, which here is 400."""
    for path, operations in (await schema(client))["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert set(operation["responses"]) <= {"200", "4XX", "503"}, path
            if "requestBody" in operation:
                assert set(operation["requestBody"]["content"]) == {"multipart/form-data"}
