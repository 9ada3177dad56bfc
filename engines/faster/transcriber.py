"""faster-whisper: its model and its algorithm in, our Segments out.

Importing this takes a while: do it in a worker thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from engines.faster.chunks import Chunks, vad_options
from engines.faster.company import Company, Visit
from engines.faster.logprobs import rendered, token_bytes
from engines.faster.options import ListeningOptions
from engines.faster.settings import FasterSettings
from engines.faster.sharing import SharingModel
from engines.transcription import prompts
from engines.transcription.languages import check_known
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.transcription.transcript import LanguageGuess, Segment, TokenLogprob, Transcript, Word

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures tried one after the other while the result looks wrong; Whisper's own."""

POSITIONS_PER_SECOND = 50
"""Of the encoder: one for each 20 ms of sound."""


class Transcriber:
    """A loaded model, for many threads at once."""

    def __init__(self, folder: str, settings: FasterSettings) -> None:
        """Loads the model from its folder, which takes seconds. Raises what faster-whisper raises."""
        self._model = SharingModel(
            folder,
            most=settings.batch_size,
            workers=settings.workers,
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.threads,
        )

    def close(self) -> None:
        """Give the model's memory back. Nobody may be listening any more."""
        self._model.model.unload_model()
        del self._model

    def listen(
        self,
        samples: Samples,
        options: ListeningOptions,
        visit: Visit | None = None,
        heard: Callable[[Segment], None] = lambda _: None,
    ) -> Transcript:
        """Computes the transcript; `heard` is called for each segment as soon as it is there.

        Raises BadParameter, OutOfMemory, and what the visit's checkpoint raises.
        """
        whisper = self._model
        check_known(
            options.language,
            multilingual=whisper.model.is_multilingual,
            token=whisper.hf_tokenizer.token_to_id,
        )
        visit = visit or Visit(Company(), checkpoint=lambda: None)
        options = replace(options, prompt=prompts.latest(options.prompt), hotwords=prompts.first(options.hotwords))
        with self._model.busy_with(visit, options):
            visit.checkpoint()
            language, found = self._begun(samples, options, visit)
            segments = []
            for one in found:
                segment = self._ours(one, options)
                segments.append(segment)
                heard(segment)
                visit.checkpoint()
        duration = len(samples) / SAMPLE_RATE
        return Transcript(
            language,
            duration,
            tuple(segments),
            options.task,
            audio_tokens=math.ceil(duration * POSITIONS_PER_SECOND),
            prompt_tokens=self._told(options),
        )

    def detect(self, samples: Samples, visit: Visit | None = None) -> LanguageGuess:
        """The language of the recording's beginning."""
        visit = visit or Visit(Company(), checkpoint=lambda: None)
        if not self._model.model.is_multilingual:
            return LanguageGuess("en", 1.0, (("en", 1.0),))
        extractor = self._model.feature_extractor
        with self._model.busy_with(visit, ListeningOptions()):
            window = extractor(samples[: extractor.n_samples])
            language, probability, known = self._model.detect_language(features=window)
        return LanguageGuess(language, float(probability), tuple((code, float(share)) for code, share in known))

    def _begun(self, samples: Samples, options: ListeningOptions, visit: Visit) -> tuple[str, Iterable[Any]]:
        """The language, and segments that are computed as they are taken."""
        window = self._model.feature_extractor.chunk_length * SAMPLE_RATE
        if len(samples) > window and self._model.model.most > 1 and not options.in_order:
            return self._in_batches(samples, options, visit)
        return self._in_order(samples, options)

    def _in_batches(self, samples: Samples, options: ListeningOptions, visit: Visit) -> tuple[str, Iterable[Any]]:
        chunks = Chunks(self._model, samples, options)
        language = options.language
        if language is None:
            multilingual = self._model.model.is_multilingual
            language = chunks.language(self._language_of) if multilingual else "en"
        return language, chunks.segments(language, self._model.model.most, visit.checkpoint)

    def _language_of(self, window: Samples) -> str:
        language: str = self._model.detect_language(features=window)[0]
        return language

    def _in_order(self, samples: Samples, options: ListeningOptions) -> tuple[str, Iterable[Any]]:
        segments, info = self._model.transcribe(
            samples,
            task=options.task,
            language=options.language,
            initial_prompt=options.prompt,
            hotwords=options.hotwords,
            temperature=options.temperature or LADDER,
            beam_size=options.beam_size,
            word_timestamps=options.words or options.logprobs,
            vad_filter=options.vad is not None,
            vad_parameters=vad_options(options) if options.vad is not None else None,
        )
        return info.language, segments

    def _told(self, options: ListeningOptions) -> int:
        """Tokens of the prompt and the hot words, written as faster-whisper does, as far as there is room for them."""
        texts = [f" {text.strip()}" for text in (options.prompt, options.hotwords) if text]
        tokens = sum(len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
        room: int = self._model.max_length // 2 - 1
        return min(tokens, room)

    def _ours(self, segment: Any, options: ListeningOptions) -> Segment:
        return Segment(
            start=float(segment.start),
            end=float(segment.end),
            text=segment.text,
            seek=segment.seek,
            tokens=tuple(segment.tokens),
            temperature=_finite(segment.temperature),
            avg_logprob=_finite(segment.avg_logprob),
            compression_ratio=_finite(segment.compression_ratio),
            no_speech_prob=_finite(segment.no_speech_prob),
            words=_words(segment) if options.words else (),
            logprobs=self._logprobs(segment) if options.logprobs else (),
        )

    def _logprobs(self, segment: Any) -> tuple[TokenLogprob, ...]:
        tokenizer = self._model.hf_tokenizer
        text = [token for token in segment.tokens if token < tokenizer.token_to_id("<|endoftext|>")]
        figures = self._model.now.heard.claim(text)
        return rendered([token_bytes(tokenizer.id_to_token(token)) for token in text], figures)


def _words(segment: Any) -> tuple[Word, ...]:
    return tuple(
        Word(w.word.strip(), float(w.start), float(w.end), _finite(w.probability)) for w in segment.words or ()
    )


def _finite(figure: float | None) -> float:
    """JSON has no NaN and no infinity, which a degenerate window can produce."""
    return float(figure) if figure is not None and math.isfinite(figure) else 0.0
