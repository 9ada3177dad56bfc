"""Words that are wrong in the transcripts of the shipped recordings of which every word must be right, mode by mode."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine import recordings
from bench.engine.batch import CLIPS, at_once
from bench.engine.library import Library, library
from bench.engine.recordings import Recording, wav
from bench.engine.scoring import errors, words
from bench.engine.server import Server
from bench.engine.setting import SMALL_MODEL
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

TARGET = Target("at most", 0)
_WINDOW = 31.0
"""Seconds: longer than a window, so that it is heard in batches."""
_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between phrases in one long recording."""
_BATCH = 8


def measure(options: Options) -> list[Row]:
    del options  # once is enough: the same recordings give the same words
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, SMALL_MODEL, {"WHISPER_BATCH_SIZE": str(CLIPS)})
        server.wait_until_ready()
        reference = stack.enter_context(library(folder, SMALL_MODEL))
        phrases = recordings.exact()
        wrong = _wrong(server, phrases)
        different = _different(server, reference, folder, phrases)
    total = sum(len(words(phrase.text)) for phrase in phrases)
    return [
        Row(
            f"engine, words wrong, worst of {len(wrong)} modes",
            list(wrong.values()),
            "",
            f"{len(phrases)} recordings, {total} words",
            TARGET,
            worst=True,
            note=", ".join(f"{mode}: {count}" for mode, count in wrong.items()),
        ),
        Row(
            "engine, words unlike the library's, all phrases in one",
            different,
            "",
            "the library's batches",
            TARGET,
            worst=True,
            note="each language's phrases joined with pauses; several in a window are more than the shipped model can",
        ),
    ]


def _wrong(server: Server, phrases: Sequence[Recording]) -> dict[str, int]:
    """Wrong words, mode by mode."""
    modes: dict[str, Callable[[Recording], int]] = {
        "default": partial(_text, server),
        "language given": lambda phrase: _text(server, phrase, language=phrase.language),
        "one beam": partial(_text, server, beam_size="1"),
        "word times": partial(_words, server),
        "token probabilities": lambda phrase: _text(server, phrase, **{"include[]": "logprobs"}),
        "vad_filter": partial(_text, server, vad_filter="true"),
        "chunking_strategy": partial(_text, server, chunking_strategy="auto"),
        "stream": partial(_stream, server),
        "longer than a window, in batches": lambda phrase: _text(server, _padded(phrase)),
        "longer than a window, in order": lambda phrase: _text(server, _padded(phrase), vad_filter="false"),
    }
    wrong = {mode: sum(count(phrase) for phrase in phrases) for mode, count in modes.items()}
    wrong[f"{CLIPS} at once"] = _at_once(server, phrases)
    wrong[f"{CLIPS} at once, longer than a window"] = _at_once(server, [_padded(phrase) for phrase in phrases])
    return wrong


def _text(server: Server, phrase: Recording, **fields: str) -> int:
    return errors(phrase.text, json.loads(server.post(wav(phrase.sound), **fields))["text"])


def _words(server: Server, phrase: Recording) -> int:
    asked = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    answer = json.loads(server.post(wav(phrase.sound), **asked))
    listed = " ".join(word["word"] for word in answer["words"])
    return max(errors(phrase.text, answer["text"]), errors(phrase.text, listed))


def _stream(server: Server, phrase: Recording) -> int:
    return max(errors(phrase.text, text) for text in told(server.post(wav(phrase.sound), stream="true").decode()))


def _at_once(server: Server, phrases: Sequence[Recording]) -> int:
    """All, and the first ones again until the last lot is complete, too."""
    count = -(-len(phrases) // CLIPS) * CLIPS
    queue = list(itertools.islice(itertools.cycle(phrases), count))
    wrong = 0
    for first in range(0, count, CLIPS):
        lot = queue[first : first + CLIPS]
        heard = at_once(server, [wav(phrase.sound) for phrase in lot])
        wrong += sum(errors(phrase.text, text) for phrase, text in zip(lot, heard.texts, strict=True))
    return wrong


def _different(server: Server, reference: Library, folder: Path, phrases: Sequence[Recording]) -> list[int]:
    """For each language."""
    different = []
    for talk in _by_language(phrases, itertools.cycle(_PAUSES)):
        file = recordings.write_wav(folder / "talk.wav", _padded(talk).sound)
        (theirs,) = reference.batched(file, batch_size=_BATCH).texts
        (ours,) = server.hear(file.read_bytes()).texts
        different.append(errors(theirs, ours))
    return different


def _by_language(phrases: Sequence[Recording], pauses: Iterable[float]) -> list[Recording]:
    """All phrases of each language as one recording."""
    languages = dict.fromkeys(phrase.language for phrase in phrases)
    return [
        recordings.joined([phrase for phrase in phrases if phrase.language == language], pauses)
        for language in languages
    ]


def _padded(recording: Recording) -> Recording:
    """With so much silence at its end that it is longer than a window, if it is not."""
    return recordings.joined([recording], [max(0.0, _WINDOW - recording.seconds)])


def told(events: str) -> tuple[str, str]:
    """What an event stream says: the deltas joined, and the complete text at the end."""
    data = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: ")]
    deltas = "".join(event["delta"] for event in data if event["type"] == "transcript.text.delta")
    (whole,) = (event["text"] for event in data if event["type"] == "transcript.text.done")
    return deltas, whole
