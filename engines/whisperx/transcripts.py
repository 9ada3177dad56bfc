"""A conversation as a transcript without speakers, for what is the same in all engines."""

from __future__ import annotations

import zlib

from engines.transcription import transcript
from engines.transcription.transcript import Task, Transcript
from engines.whisperx.conversation import Conversation, Segment, Word


def transcript_of(conversation: Conversation, task: Task = "transcribe") -> Transcript:
    """Its text is the conversation's."""
    segments = tuple(segment_of(segment, conversation.space) for segment in conversation.segments)
    return Transcript(conversation.language, conversation.duration, segments, task)


def segment_of(segment: Segment, space: str = " ") -> transcript.Segment:
    """space: before its text.

    What WhisperX does not tell has the value of an unsuspicious segment: it decodes greedily, after its own search for
    speech, and keeps no tokens.
    """
    text = segment.text.strip()
    return transcript.Segment(
        start=segment.start,
        end=segment.end,
        text=f"{space}{text}" if text else "",
        seek=round(max(segment.start, 0.0) * 100),
        tokens=(),
        temperature=0.0,
        avg_logprob=0.0 if segment.avg_logprob is None else segment.avg_logprob,
        compression_ratio=_compression_ratio(text),
        no_speech_prob=0.0,
        words=tuple(map(_word_of, segment.words)),
    )


def _word_of(word: Word) -> transcript.Word:
    """0 says that its times were not found."""
    return transcript.Word(word.text, word.start, word.end, 0.0 if word.score is None else word.score)


def _compression_ratio(text: str) -> float:
    """High where a text repeats itself; openai-whisper's figure."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data))
