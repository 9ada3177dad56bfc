"""What OpenAI's clients read line by line while a transcript is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.transcription.errors import ModelUnavailable
from engines.transcription.events import Deltas, done, failed
from engines.transcription.formats import Usage, Wanted
from engines.transcription.transcript import Segment, TokenLogprob, Transcript

STREAM = Wanted(usage=Usage.TOKENS)


def segment(text: str, *logprobs: TokenLogprob) -> Segment:
    return Segment(0, 1, text, 0, (1, 2), 0.0, -0.25, 1.2, 0.01, (), logprobs)


def read(event: bytes) -> dict[str, Any]:
    line, empty, rest = event.decode().split("\n")
    assert (empty, rest) == ("", "")
    value: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return value


def deltas(segments: list[Segment], wanted: Wanted = STREAM) -> list[dict[str, Any]]:
    making = Deltas(wanted)
    return [read(event) for event in map(making.event, segments) if event is not None]


def test_each_segment_is_a_delta() -> None:
    assert deltas([segment(" Good morning."), segment(" And now?")]) == [
        {"type": "transcript.text.delta", "delta": "Good morning."},
        {"type": "transcript.text.delta", "delta": " And now?"},
    ]


def test_the_end_repeats_the_complete_text() -> None:
    transcript = Transcript("en", 2.0, (segment(" Good"), segment(" morning.")), audio_tokens=100, prompt_tokens=3)
    assert read(done(transcript, STREAM)) == {
        "type": "transcript.text.done",
        "text": "Good morning.",
        "usage": {
            "type": "tokens",
            "input_tokens": 103,
            "output_tokens": 4,
            "total_tokens": 107,
            "input_token_details": {"audio_tokens": 100, "text_tokens": 3},
        },
    }


@given(st.lists(st.text(alphabet=" \n\u2028ab\u00e9\U0001f399", max_size=5)))
def test_the_deltas_together_are_the_text(texts: list[str]) -> None:
    segments = tuple(map(segment, texts))
    events = deltas(list(segments))
    assert all(event["delta"] for event in events)
    assert "".join(event["delta"] for event in events) == read(done(Transcript("en", 1, segments), STREAM))["text"]


def test_deltas_carry_their_tokens_and_the_end_all_of_them() -> None:
    wanted = Wanted(usage=None, logprobs=True, languages=True)
    tokens = [TokenLogprob(text, text.encode(), -0.5) for text in (" a", " ", " b")]
    segments = (segment(" a", tokens[0]), segment(" ", tokens[1]), segment(" b", tokens[2]))
    events = deltas(list(segments), wanted)
    assert [[token["token"] for token in event["logprobs"]] for event in events] == [[" a"], [" ", " b"]]
    end = read(done(Transcript("en", 1, segments), wanted))
    assert end["logprobs"] == [token for event in events for token in event["logprobs"]]
    assert end["languages"] == [{"code": "en"}]


def test_without_speech_there_is_only_the_end() -> None:
    assert deltas([segment(" ")]) == []
    assert read(done(Transcript("en", 1, ()), Wanted(usage=None))) == {"type": "transcript.text.done", "text": ""}


def test_a_failure_is_openai_s_envelope() -> None:
    assert read(failed(ModelUnavailable("Not \ud800 now."))) == {
        "error": {"message": "Not \ud800 now.", "type": "server_error", "param": None, "code": "model_unavailable"}
    }


@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\r", "\n", "\v"])
def test_no_character_ends_a_line(character: str) -> None:
    event = Deltas(STREAM).event(segment(f"a{character}b"))
    assert event is not None
    assert len(event.decode().splitlines()) == 2
