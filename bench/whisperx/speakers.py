"""Who is taken for whom in the shipped conversations."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.harness import scratch
from bench.table import Row, Target
from bench.whisperx import recordings, setting
from bench.whisperx.scoring import mixed, share_of_time, share_of_words
from bench.whisperx.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.harness import Options
    from bench.whisperx.recordings import Conversation

COUNT_TARGET = Target("at most", 0)
SHARE_TARGET = Target("at least", 0.95)
MIXED_TARGET = Target("at most", 0)
_LONG_S = 60


@dataclass(frozen=True)
class _Score:
    """found: how many speakers there are in the transcript. time, words: shares. mixed: segments."""

    conversation: Conversation
    found: int
    time: float
    words: float
    mixed: int

    @property
    def miscounted(self) -> int:
        return abs(self.found - len(self.conversation.speakers))

    def __str__(self) -> str:
        return (
            f"{self.conversation.name}: {self.found} of {len(self.conversation.speakers)} speakers, "
            f"time {self.time:.3f}, words {self.words:.3f}, {self.mixed} mixed"
        )


def measure(options: Options) -> list[Row]:
    del options  # once is enough: the same recordings give the same speakers
    dialogues = [recordings.shipped(file) for file in recordings.DIALOGUES]
    others = [recordings.long(_LONG_S), *(recordings.shipped(file) for file in recordings.MEETINGS)]
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, setting.models(folder))
        server.wait_until_it_answers()
        scores = [_score(server, folder, conversation) for conversation in dialogues]
        more = [_score(server, folder, conversation) for conversation in others]
    reference = f"{len(dialogues)} dialogues, {sum(len(dialogue.words) for dialogue in dialogues)} words"
    return [
        *_shares(scores, "dialogues", reference),
        Row(
            "whisperx, speakers too many or too few, dialogues",
            [score.miscounted for score in scores],
            "",
            reference,
            COUNT_TARGET,
            worst=True,
            note="; ".join(map(str, scores)),
        ),
        Row(
            "whisperx, segments that mix speakers, all recordings",
            [score.mixed for score in (*scores, *more)],
            "",
            f"{len(scores) + len(more)} recordings",
            MIXED_TARGET,
            worst=True,
            note="; ".join(map(str, more)) + "; the small model takes two of the three voices of the meetings for one",
        ),
    ]


def _shares(scores: Sequence[_Score], what: str, reference: str) -> list[Row]:
    times, words = [score.time for score in scores], [score.words for score in scores]
    return [
        Row(f"whisperx, speech time with the right speaker, {what}", times, "", reference, SHARE_TARGET, worst=True),
        Row(f"whisperx, words with the right speaker, {what}", words, "", reference, SHARE_TARGET, worst=True),
    ]


def _score(server: Server, folder: Path, conversation: Conversation) -> _Score:
    file = recordings.write_wav(folder / "talk.wav", conversation.sound)
    transcript, turns = server.transcribe(file, diarize=True), server.diarize(file).turns
    return _Score(
        conversation,
        found=len({segment.speaker for segment in transcript.segments}),
        time=share_of_time(conversation.turns, turns),
        words=share_of_words(conversation.words, transcript.words),
        mixed=mixed(transcript.segments),
    )
