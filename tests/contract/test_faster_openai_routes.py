"""The other routes: translations, the language, the models."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import DIALOGUE, EXACT, GOODBYE, MANIFEST, THANKS, recording, words
from tests.unit.engines.recordings import AUDIO

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # OpenAI wants no more translations
]


# Translations


def test_a_translation_is_in_english(client: OpenAI) -> None:
    answer = client.audio.translations.create(model="whisper-1", file=AUDIO / THANKS)
    assert words(answer.text) == "thanks and goodbye"
    assert set(answer.to_dict()) == {"text"}


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(engine: Engine) -> None:
    async with AsyncOpenAI(**engine.sdk()) as client:
        answer = await client.audio.translations.create(model="whisper-1", file=AUDIO / THANKS)
    assert words(answer.text) == "thanks and goodbye"


def test_a_verbose_translation_is_called_english_and_has_segments(client: OpenAI) -> None:
    answer: Any = client.audio.translations.create(
        model="whisper-1", file=AUDIO / THANKS, response_format="verbose_json", prompt="Thanks.", temperature=0
    )
    assert (answer.language, answer.to_dict()["task"]) == ("english", "translate")
    assert float(answer.duration) == pytest.approx(MANIFEST[THANKS]["duration"], abs=0.01)
    assert answer.segments


@pytest.mark.parametrize(
    ("response_format", "pattern"),
    [
        ("text", r"thanks and goodbye\s*"),
        ("srt", r"1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\nthanks and goodbye\s*"),
        ("vtt", r"webvtt\n\n00:00:\d\d\.\d{3} --> 00:00:\d\d\.\d{3}\nthanks and goodbye\s*"),
    ],
)
def test_a_translation_comes_in_every_format(client: OpenAI, response_format: Any, pattern: str) -> None:
    answer = client.audio.translations.create(model="whisper-1", file=AUDIO / THANKS, response_format=response_format)
    assert re.fullmatch(pattern, re.sub(r"(?<=[a-z])[.!]", "", str(answer).lower()))


def test_what_is_english_stays_so(client: OpenAI) -> None:
    answer = client.audio.translations.create(model="whisper-1", file=AUDIO / DIALOGUE)
    assert answer.text


def test_what_a_translation_cannot_be_told_is_ignored(engine: Engine) -> None:
    fields = {"language": "klingon", "stream": "maybe"}
    answer = engine.post(recording(THANKS), "translations", **fields)
    assert words(answer.json()["text"]) == "thanks and goodbye"


# The language


@pytest.mark.parametrize("name", EXACT)
def test_the_language_is_told(engine: Engine, name: str) -> None:
    answer = engine.post(recording(name), "language").json()
    assert answer["language"] == MANIFEST[name]["language"]
    assert answer["language_name"] == {"en": "english", "fr": "french"}[answer["language"]]
    probabilities = [guess["probability"] for guess in answer["all"]]
    assert answer["all"][0] == {"code": answer["language"], "probability": answer["probability"]}
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=0.01)


def test_the_language_is_refused_of_what_is_no_model(engine: Engine) -> None:
    assert engine.post(recording(GOODBYE), "language", model="whisper-1").status_code == 200
    assert engine.post(recording(GOODBYE), "language", model="whisper-9").status_code == 404


# The models


def test_the_models_are_listed_and_found(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["micro-whisper"]
    assert client.models.retrieve("micro-whisper").object == "model"


@pytest.mark.parametrize("path", ["Systran/faster-whisper-small", "Systran%2Ffaster-whisper-small"])
def test_a_model_id_with_a_slash_is_found_and_its_failure_to_load_is_told(
    start: Callable[..., Engine], path: str
) -> None:
    """Nothing can be downloaded here: the engine lives on, says why it cannot work, and tries again."""
    engine = start(WHISPER_MODEL="Systran/faster-whisper-small", HF_HOME="/nonexistent")
    with OpenAI(**engine.sdk()) as client:
        assert client.models.retrieve("Systran/faster-whisper-small").id == "Systran/faster-whisper-small"
        assert [model.id for model in client.models.list()] == ["Systran/faster-whisper-small"]
        for attempt in (1, 2):
            with pytest.raises(openai.InternalServerError) as refusal:
                client.audio.transcriptions.create(model="Systran/faster-whisper-small", file=AUDIO / GOODBYE)
            assert (refusal.value.status_code, refusal.value.code) == (503, "model_unavailable")
            assert refusal.value.response.headers["retry-after"]
            engine.until_logged("model.broken", times=attempt)
    report = engine.health()
    assert report["status"] == "broken"
    assert report["reason"]
    assert httpx.get(f"{engine.url}/v1/models/{path}", timeout=LONG_PATIENCE).status_code == 200
    assert "Traceback" not in engine.log
