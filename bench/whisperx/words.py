"""How far the words' times are off in the shipped conversations, of which every word's start is known."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.engine.scoring import errors
from bench.harness import scratch
from bench.table import Row, Target
from bench.whisperx import recordings, setting
from bench.whisperx.scoring import start_error
from bench.whisperx.server import Server

if TYPE_CHECKING:
    from bench.harness import Options

TARGET = Target("at most", 60)
_LONG_S = 120


def measure(options: Options) -> list[Row]:
    del options  # once is enough: the same recordings give the same words
    dialogues = [recordings.shipped(file) for file in recordings.DIALOGUES]
    talks = [*dialogues, *(recordings.long(_LONG_S, of=file) for file in recordings.DIALOGUES)]
    off, wrong = [], []
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, setting.models(folder))
        server.wait_until_it_answers()
        for talk in talks:
            told = server.transcribe(recordings.write_wav(folder / "talk.wav", talk.sound), diarize=False)
            off.append(start_error(talk.words, told.words))
            wrong.append(errors(talk.text, " ".join(segment.text for segment in told.segments)))
    counts = [len(talk.words) for talk in talks]
    found = [f"{talk.name}: {error:.0f} ms" for talk, error in zip(talks, off, strict=True)]
    missed = [f"{talk.name}: {count} of {len(talk.words)}" for talk, count in zip(talks, wrong, strict=True)]
    reference = f"{len(talks)} recordings, {sum(counts)} words"
    return [
        Row(
            "whisperx, start of a word, median error of each recording",
            off,
            "ms",
            reference,
            TARGET,
            worst=True,
            note="; ".join(found),
        ),
        Row(
            "whisperx, words wrong, share",
            [count / total for count, total in zip(wrong, counts, strict=True)],
            "",
            reference,
            worst=True,
            note="; ".join(missed),
        ),
    ]
