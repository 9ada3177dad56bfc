"""Any combination of fields with values that are allowed, on any recording: an answer, or a 400 that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.speech import DIALOGUE, GOODBYE, recording
from tests.unit.engines.recordings import encoded, silence, tone, wav
from tests.whisperx.contract.calls import data_url, post, voice

pytestmark = pytest.mark.model

SOUNDS = {
    "nothing": wav(silence(0)),
    "a sample": wav(silence(1 / 16_000)),
    "silence": wav(silence(2)),
    "a tone": encoded("ogg", tone(2)),
    "speech": recording(GOODBYE),
    "a dialogue": recording(DIALOGUE),
}
MUCH = "the meeting is open " * 400
SPECIAL = "<|startoftranscript|><|endoftext|><|nospeech|><|0.00|>\0"
VOICES = {"Ada's": data_url(voice(DIALOGUE, "A")), "nobody's": data_url(wav(silence(3)))}
"""By what the strategies call them: hypothesis does not like to show megabytes."""

texts = st.sampled_from(["goodbye", MUCH, SPECIAL, " ", "早上好 👋🏽", "."])
languages = st.sampled_from(["", "en", "fr", "ja", "haw"])
numbers = st.sampled_from(["1", "2", "3", "100"])
counts = {"min_speakers": numbers, "max_speakers": numbers, "num_speakers": numbers}
listening = {
    "language": languages,
    "task": st.sampled_from(["transcribe", "translate"]),
    "batch_size": st.sampled_from(["1", "3", "256"]),
    "hotwords": texts,
    "prompt": texts,
}
switches = st.sampled_from(["true", "false"])
outputs = st.sampled_from(["json", "srt", "vtt", "txt", "tsv"])
transcripts = texts | st.sampled_from(
    [
        '[{"start": 0, "end": 1e9, "text": "thanks goodbye"}]',
        '[{"start": 0.5, "end": 0.5, "text": "thanks goodbye"}]',
        '[{"start": 0, "end": 0.01, "text": "42 €"}, {"start": 0.3, "end": 1.1, "text": "Thanks. Goodbye! 1984"}]',
        '[{"start": 1.5, "end": 1.9, "text": "b"}, {"start": 0.5, "end": 9, "text": "a"}]',
    ]
)
known = st.sampled_from(
    [
        {},
        {"known_speaker_names[]": ["Ada"], "known_speaker_references[]": ["Ada's"]},
        {"known_speaker_names[]": ["A", "B"], "known_speaker_references[]": ["Ada's", "nobody's"]},
        {"known_speaker_names[]": ["Ada", "Ada's twin"], "known_speaker_references[]": ["Ada's", "Ada's"]},
    ]
)
requests = st.one_of(
    st.tuples(
        st.just("/transcribe"),
        st.fixed_dictionaries(
            {},
            optional={**listening, "align": switches, "output": outputs, "stream": switches, "diarize": switches},
        ),
    ),
    st.tuples(st.just("/transcribe"), st.fixed_dictionaries({"diarize": st.just("true")}, optional=listening | counts)),
    st.tuples(
        st.just("/align"),
        st.fixed_dictionaries(
            {"transcript": transcripts, "language": st.sampled_from(["", "en", "fr", "haw"])},
            optional={"output": outputs},
        ),
    ),
    st.tuples(
        st.just("/diarize"),
        st.fixed_dictionaries({}, optional={**counts, "output": st.sampled_from(["json", "rttm"])}),
    ),
    st.tuples(
        st.just("/v1/audio/transcriptions"),
        st.fixed_dictionaries(
            {"response_format": st.sampled_from(["json", "text", "srt", "vtt", "verbose_json"])},
            optional={**listening, "stream": switches, "max_words_per_line": numbers, "temperature": st.just("1")},
        ),
    ),
    st.tuples(
        st.just("/v1/audio/transcriptions"),
        st.builds(
            lambda fields, introduced: {**fields, **introduced},
            st.fixed_dictionaries(
                {"response_format": st.just("diarized_json")}, optional={**listening, **counts, "stream": switches}
            ),
            known,
        ),
    ),
)


@given(sound=st.sampled_from(sorted(SOUNDS)), request=requests)
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # simpler examples of a failure would take many minutes to find
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_combination_is_answered(engine: EngineProcess, sound: str, request: tuple[str, dict[str, Any]]) -> None:
    path, fields = request
    references = "known_speaker_references[]"
    fields = {**fields, references: [VOICES[name] for name in fields.get(references, [])]}
    answer = post(engine, path, SOUNDS[sound], **fields)
    assert answer.status_code in (200, 400), answer.text
    for told in refusals(answer):
        assert told["code"] == "invalid_value"
        assert told["param"]
    assert engine.health()["status"] == "ready"


def refusals(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """In either dialect, also as the last event of a stream: some values only the models can judge."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
        if "error" in last or last["type"] == "error":
            yield last.get("error", last)
    elif answer.status_code == 400:
        yield answer.json().get("error", answer.json())
