"""faster_whisper, called directly: `python library_process.py MODEL THREADS`. The engine's reference.

Reads requests from standard input and writes answers to standard output, a JSON object in each line: `{"do": "one",
"files": [...], "options": {...}}` → `{"seconds": ..., "texts": [...]}`. What takes time is measured here, so that the
way of the answer does not count.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens


class Library:
    def __init__(self, source: str, threads: int) -> None:
        self._model = WhisperModel(source, device="auto", compute_type="auto", cpu_threads=threads)

    def one(self, files: list[str], **options: Any) -> tuple[float, list[str]]:
        """One after the other, each as `WhisperModel.transcribe` does it."""
        begin = time.perf_counter()
        texts = [_text(self._model.transcribe(file, **options)[0]) for file in files]
        return time.perf_counter() - begin, texts

    def batched(self, files: list[str], **options: Any) -> tuple[float, list[str]]:
        """One after the other, each in batches of its own."""
        begin = time.perf_counter()
        texts = [_text(BatchedInferencePipeline(self._model).transcribe(file, **options)[0]) for file in files]
        return time.perf_counter() - begin, texts

    def together(self, files: list[str], language: str) -> tuple[float, list[str]]:
        """All in one batch made by hand, with what `transcribe` asks of the model. Decoding them does not count."""
        model = self._model
        sounds = [decode_audio(file) for file in files]
        begin = time.perf_counter()
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
        windows = np.stack([pad_or_trim(model.feature_extractor(sound)[..., :-1]) for sound in sounds])
        results = model.model.generate(
            model.encode(windows),
            [model.get_prompt(tokenizer, []) for _ in files],
            beam_size=5,
            patience=1,
            length_penalty=1,
            max_length=model.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            max_initial_timestamp_index=50,
        )
        texts = [tokenizer.decode(result.sequences_ids[0]).strip() for result in results]
        return time.perf_counter() - begin, texts


def _text(segments: Any) -> str:
    return "".join(segment.text for segment in segments).strip()


def main() -> None:
    library = Library(sys.argv[1], int(sys.argv[2]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            seconds, texts = getattr(library, request["do"])(request["files"], **request["options"])
        except Exception as exc:  # whatever it is, whoever asked must hear of it
            print(json.dumps({"error": repr(exc)}), flush=True)
        else:
            print(json.dumps({"seconds": seconds, "texts": texts}), flush=True)


if __name__ == "__main__":
    main()
