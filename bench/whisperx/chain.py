"""From a recording to words with times and speakers, over HTTP ÷ the whisperx library called directly."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine.comparison import compare
from bench.engine.scoring import words
from bench.engine.setting import Heard
from bench.harness import scratch
from bench.table import Row, Target
from bench.whisperx import recordings, setting
from bench.whisperx.library import library
from bench.whisperx.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.harness import Options

TARGET = Target("at most", 1.05)
SECONDS = 120
_ROUNDS = {"12 s dialogue": 9, f"{SECONDS // 60}-minute conversation": 3}


def measure(options: Options) -> list[Row]:
    talks = (recordings.shipped(recordings.DIALOGUES[0]), recordings.long(SECONDS))
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        models = setting.models(folder)
        reference = stack.enter_context(library(folder, models))
        if options.self_check:
            other = stack.enter_context(library(folder, models))
            subject, ends = other.chain, None
        else:
            server = Server(stack, folder, models)
            server.wait_until_ready()
            subject, ends = partial(_told, server), server.stage_ends
        rows = []
        for (name, rounds), talk in zip(_ROUNDS.items(), talks, strict=True):
            file = recordings.write_wav(folder / "talk.wav", talk.sound)
            result = compare(
                options.rounds_or(rounds),
                engine=partial(_words, subject, file),
                library=partial(_words, reference.chain, file),
            )
            note = f"{result.note()}; the library's stages: {_shown(reference.stages)}"
            if ends is not None:
                note += f"; the engine's are over after: {_shown(ends(file))}"
            ratios = result.ratios("engine", "library")
            rows.append(Row(f"whisperx, {name}, with speakers", ratios, "", "the library's calls", TARGET, note=note))
        return rows


def _told(server: Server, file: Path) -> Heard:
    told = server.transcribe(file, diarize=True)
    return Heard(told.seconds, [word.text for word in told.words], told.cpu)


def _words(way: Callable[[Path], Heard], file: Path) -> Heard:
    """Whatever cuts them into segments, both must have heard the same."""
    heard = way(file)
    return Heard(heard.seconds, words(" ".join(heard.texts)), heard.cpu)


def _shown(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {value:.2f}" for stage, value in seconds.items()) + " s"
