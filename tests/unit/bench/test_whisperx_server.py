from __future__ import annotations

from typing import Any

import pytest

from bench.errors import BenchError
from bench.whisperx.server import Told, ends


def progress(**stages: float) -> dict[str, Any]:
    return {"type": "progress", "stages": stages}


def test_a_stage_is_over_when_it_is_first_said_to_be_complete() -> None:
    events = [
        (0.1, progress(decode=1, transcribe=0, diarize=0)),
        (0.5, progress(decode=1, transcribe=0.5, diarize=1)),
        (0.9, progress(decode=1, transcribe=1, diarize=1)),
        (1.0, {"type": "done", "segments": []}),
    ]
    assert ends(events) == {"decode": 0.1, "diarize": 0.5, "transcribe": 0.9}


@pytest.mark.parametrize("last", [[], [(0.2, {"type": "error", "detail": "no room"})]])
def test_a_stream_that_ends_without_an_answer_has_failed(last: list[tuple[float, dict[str, Any]]]) -> None:
    with pytest.raises(BenchError, match="the stream ended with"):
        ends([(0.1, progress(decode=1)), *last])


def test_an_answer_is_read_with_and_without_speakers_and_words() -> None:
    word = {"word": "one", "start": 0.5, "end": 0.9, "score": 0.8}
    segment = {"start": 0.5, "end": 0.9, "text": "one"}
    bare = Told(1, 1, {"segments": [segment]})
    assert bare.words == []
    assert bare.segments[0].speaker is None
    whole = Told(
        1, 1, {"segments": [{**segment, "speaker": "SPEAKER_00", "words": [{**word, "speaker": "SPEAKER_00"}]}]}
    )
    assert [(word.text, word.start, word.speaker) for word in whole.words] == [("one", 0.5, "SPEAKER_00")]
    assert whole.segments[0].speaker == "SPEAKER_00"
