"""Long recordings: in batches as the library makes them, in order, told as they are heard, and left halfway."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from engines.faster.company import Company, Visit
from engines.faster.options import ListeningOptions, SpeechFilter
from engines.faster.transcriber import LADDER, Transcriber
from engines.transcription.tape import Samples
from engines.transcription.transcript import Segment
from tests.unit.engines.faster.transcribers import (
    all_facts,
    brief,
    brief_library,
    facts,
    long,
    samples,
    transcriber,
)
from tests.unit.engines.giving_up import Checkpoint, Enough
from tests.unit.engines.recordings import silence

pytestmark = pytest.mark.model
__all__ = ["brief", "brief_library", "long", "transcriber"]  # fixtures


@pytest.mark.parametrize("language", ["en", None])
@pytest.mark.parametrize(("words", "times"), [(False, False), (False, True), (True, False)])
def test_long_recordings_are_what_the_librarys_batches_give(
    brief: Transcriber, brief_library: WhisperModel, long: Samples, language: str | None, *, words: bool, times: bool
) -> None:
    theirs, info = BatchedInferencePipeline(brief_library).transcribe(
        long, language=language, batch_size=4, word_timestamps=words, without_timestamps=not times
    )
    transcript = brief.listen(long, ListeningOptions(language=language, words=words, times=times))
    assert all_facts(transcript) == [facts(segment) for segment in theirs]
    assert (transcript.language, len(transcript.segments) > 3) == (info.language, True)


def test_a_filter_of_ones_own_decides_where_long_recordings_are_cut(
    brief: Transcriber, brief_library: WhisperModel, long: Samples
) -> None:
    theirs, _ = BatchedInferencePipeline(brief_library).transcribe(
        long, language="en", batch_size=4, vad_parameters={"threshold": 0.3, "speech_pad_ms": 200}
    )
    options = ListeningOptions(language="en", times=False, vad=SpeechFilter(threshold=0.3, speech_pad_ms=200))
    assert all_facts(brief.listen(long, options)) == [facts(segment) for segment in theirs]


def test_in_order_is_what_the_library_gives_without_batches(
    brief: Transcriber, brief_library: WhisperModel, long: Samples
) -> None:
    part = long[: 25 * 16_000]
    theirs, _ = brief_library.transcribe(part, language="en", temperature=LADDER)
    assert all_facts(brief.listen(part, ListeningOptions(language="en", in_order=True))) == [
        facts(segment) for segment in theirs
    ]


def test_a_temperature_above_zero_counts_in_batches_too(brief: Transcriber, long: Samples) -> None:
    greedy, warm = (
        brief.listen(long, ListeningOptions(language="en", temperature=temperature)) for temperature in (0.0, 1.0)
    )
    assert [segment.avg_logprob for segment in warm.segments] != [segment.avg_logprob for segment in greedy.segments]
    assert {segment.temperature for segment in warm.segments} == {1.0}


def test_segments_are_told_as_they_are_found(brief: Transcriber, long: Samples) -> None:
    told: list[Segment] = []
    transcript = brief.listen(long, ListeningOptions(language="en", logprobs=True), heard=told.append)
    assert tuple(told) == transcript.segments
    for segment in told:
        assert b"".join(token.data for token in segment.logprobs).decode() == segment.text
        assert all(token.logprob > -20 for token in segment.logprobs)


def test_who_waits_for_the_first_segment_gets_small_batches_at_first(brief: Transcriber, long: Samples) -> None:
    batches: list[int] = []
    shared = brief._model.model
    encode = shared.encode

    def counted(windows: Any) -> Any:
        batches.append(len(windows))
        return encode(windows)

    shared.encode = counted
    try:
        soon = brief.listen(long, ListeningOptions(language="en", soon=True))
        assert batches[:2] == [1, 2]
        assert soon == brief.listen(long, ListeningOptions(language="en"))
        assert batches.count(4) >= 1
    finally:
        del shared.encode


@pytest.mark.parametrize("in_order", [False, True])
def test_long_silence_has_no_text(brief: Transcriber, *, in_order: bool) -> None:
    recording = silence(70).astype(np.float32)
    assert brief.listen(recording, ListeningOptions(in_order=in_order)).text == ""


def test_long_recordings_are_heard_to_their_end(transcriber: Transcriber) -> None:
    """Beyond a minute, the spectrogram is computed in pieces."""
    recording = np.concatenate([silence(64).astype(np.float32), samples("en-thanks-goodbye.wav")])
    for options in (ListeningOptions(language="en"), ListeningOptions(language="en", in_order=True)):
        (segment,) = transcriber.listen(recording, options).segments
        assert segment.text.strip() == "thanks goodbye"
        assert 64 < segment.end < 66.5


@pytest.mark.parametrize("in_order", [False, True])
def test_a_visit_can_end_at_each_window(brief: Transcriber, long: Samples, *, in_order: bool) -> None:
    """Silence yields no segment between which one could look; batches of speech do."""
    third_time = Checkpoint()
    recording = silence(200).astype(np.float32) if in_order else long
    with pytest.raises(Enough):
        brief.listen(recording, ListeningOptions(language="en", in_order=in_order), Visit(Company(), third_time))
    assert third_time.looks == 3
    assert brief.listen(samples("en-thanks-goodbye.wav"), ListeningOptions()).text == "thanks goodbye"
