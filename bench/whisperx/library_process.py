"""whisperx, called directly, as its README shows: `python library_process.py SETTINGS` (JSON). The engine's reference.

Reads requests from standard input and writes answers to standard output, a JSON object in each line: `{"do": "chain",
"files": [...], "options": {...}}` → `{"seconds": ..., "stages": {...}, "words": [...]}`. What takes time is measured
here, so that the way of the answer does not count.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")  # a hundred lines about torchcodec, which is not needed: audio comes as arrays
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # the library prints

import whisperx  # noqa: E402  as above
from whisperx.diarize import DiarizationPipeline, assign_word_speakers  # noqa: E402

from engines.transcription import audio  # noqa: E402


class Library:
    """Words have times of their own, and speakers if `diarize` was set."""

    def __init__(
        self,
        *,
        whisper: str,
        align: str,
        diarization: str | None,
        compute_type: str,
        threads: int,
        batch_size: int,
        chunk_size: int,
    ) -> None:
        self._whisper = whisperx.load_model(whisper, "cpu", compute_type=compute_type, threads=threads)
        self._align, metadata = whisperx.load_align_model("en", "cpu", model_name=align)
        self._metadata = {language: {**metadata, "language": language} for language in ("en", "fr")}
        self._diarize = DiarizationPipeline(model_name=diarization, device="cpu") if diarization else None
        self._windows = {"batch_size": batch_size, "chunk_size": chunk_size}
        self._stages: dict[str, float] = {}

    def chain(self, file: str) -> dict[str, Any]:
        """From a file to words, all stages one after the other."""
        self._stages = {}
        begin = time.perf_counter()
        with self._stage("decode"), Path(file).open("rb") as source:
            # The engine's own decoder. That of whisperx starts ffmpeg, that of faster_whisper collects garbage: with
            # torch imported, each would cost more than the whole rest of the engine.
            samples = audio.decode(source, limit=math.inf, checkpoint=lambda: None)
        with self._stage("transcribe"):
            heard = self._whisper.transcribe(samples, **self._windows)
        with self._stage("align"):
            told = whisperx.align(heard["segments"], self._align, self._metadata[heard["language"]], samples, "cpu")
        if self._diarize is not None:
            with self._stage("diarize"):
                turns = self._diarize(samples)
            with self._stage("assign"):
                told = assign_word_speakers(turns, told, fill_nearest=True)
        seconds = time.perf_counter() - begin
        words = [word["word"] for segment in told["segments"] for word in segment["words"]]
        return {"seconds": seconds, "stages": self._stages, "words": words}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self._stages[name] = time.perf_counter() - begin


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    library = Library(**json.loads(sys.argv[1]))
    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = library.chain(*request["files"])
        except Exception as exc:  # whatever it is, whoever asked must hear of it
            answer = {"error": repr(exc)}
        _say(answer)


if __name__ == "__main__":
    main()
