"""Any combination of fields with values that are allowed, on any recording: an answer, or a 400 that says why."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, long_talk, recording
from tests.unit.engines.recordings import encoded, silence, tone, wav

pytestmark = pytest.mark.model

DAY_MS = 24 * 3600 * 1000
SOUNDS = {
    "nothing": wav(silence(0)),
    "a sample": wav(silence(1 / 16_000)),
    "silence": wav(silence(2)),
    "a tone": encoded("ogg", tone(2)),
    "speech": recording(GOODBYE),
    "a talk": long_talk(1),
    "a minute of silence": encoded("flac", silence(61)),
}
MUCH = "the meeting is open " * 400
SPECIAL = "<|startoftranscript|><|endoftext|><|nospeech|><|0.00|>\0"

texts = st.sampled_from(["goodbye", MUCH, SPECIAL, " ", "早上好 👋🏽", "."])
milliseconds = st.sampled_from([0, 1, 160, 2_000, DAY_MS])
shares = st.sampled_from([0, 1e-9, 0.5, 1])
parameters = st.fixed_dictionaries(
    {},
    optional={
        "threshold": shares,
        "neg_threshold": shares | st.none(),
        "min_speech_duration_ms": milliseconds,
        "max_speech_duration_s": st.sampled_from([1, 1.5, 30, 86_400, None]),
        "min_silence_duration_ms": milliseconds,
        "speech_pad_ms": milliseconds,
    },
).map(json.dumps)
common = {
    "prompt": texts,
    "hotwords": texts,
    "temperature": st.sampled_from(["0", "1e-40", "1e-9", "0.001", "0.5", "1"]),
    "beam_size": st.sampled_from(["1", "2", "10"]),
    "vad_filter": st.sampled_from(["true", "false"]),
    "vad_parameters": parameters,
    "language": st.sampled_from(["", "en", "fr", "japanese"]),
    "languages[]": st.lists(st.sampled_from(["en", "fr"]), max_size=3),
    "keywords[]": st.lists(texts, max_size=3),
    "task": st.sampled_from(["transcribe", "translate"]),
    "chunking_strategy": st.sampled_from(["auto", '{"type": "server_vad", "prefix_padding_ms": 86400000}']),
}
limits = st.sampled_from(["1", "2", "40", "9" * 30])
forms = st.one_of(
    st.fixed_dictionaries({}, optional={**common, "include[]": st.just("logprobs"), "stream": st.just("true")}),
    st.fixed_dictionaries(
        {"response_format": st.just("verbose_json")},
        optional={**common, "timestamp_granularities[]": st.sampled_from(["word", "segment"])},
    ),
    st.fixed_dictionaries(
        {"response_format": st.sampled_from(["srt", "vtt"])},
        optional={**common, "max_line_width": limits, "max_line_count": limits, "max_words_per_line": limits},
    ),
)


@given(
    sound=st.sampled_from(sorted(SOUNDS)), form=forms, path=st.sampled_from(["transcriptions"] * 3 + ["translations"])
)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_combination_is_answered(engine: Engine, sound: str, form: dict[str, str], path: str) -> None:
    answer = engine.post(SOUNDS[sound], path, **form)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["error"]["code"] == "invalid_value"
    assert '"error"' not in answer.text or answer.status_code == 400
    assert httpx.get(f"{engine.url}/health", timeout=LONG_PATIENCE).json()["status"] == "ready"
