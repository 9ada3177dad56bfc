"""Who speaks when: pyannote's diarization, as WhisperX uses it. HEAVY: import it in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.transcription import memory
from engines.transcription.errors import BadAudio, OutOfMemory
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx import long_meetings
from engines.whisperx.checkpoints import Checkpoint, check, checking
from engines.whisperx.conversation import Turn
from engines.whisperx.devices import device_of, is_want_of_memory, tidy_up, use_threads
from engines.whisperx.loading import loaded_pipeline
from engines.whisperx.options import SpeakerOptions
from engines.whisperx.settings import WhisperXSettings

Floats = NDArray[np.float32]
Tell = Callable[[float], None]
"""Takes the fraction that is done, 0 to 1."""

assert long_meetings.MOST  # imported for what it does to pyannote

_SHARES = {"segmentation": (0.0, 0.3), "embeddings": (0.3, 0.95)}
"""Of the work that is told of: where pyannote's long steps begin and end."""


def _ignore(_: object) -> None:
    pass


class Diarizer:
    """A loaded diarization model, for one thread at a time."""

    def __init__(self, settings: WhisperXSettings) -> None:
        """Raises Unloadable."""
        use_threads(settings)
        self._pipeline = loaded_pipeline(settings.diarization_model, device_of(settings))

    def close(self) -> None:
        del self._pipeline
        tidy_up()

    def diarize(
        self, samples: Samples, options: SpeakerOptions, checkpoint: Checkpoint, tell: Tell = _ignore
    ) -> tuple[list[Turn], dict[str, Floats]]:
        """Turns in order of their starts, and the voice of each speaker as an embedding; not of those who spoke too
        little for that. Both are empty where nobody speaks.

        checkpoint: called at least once per batch; raises to end the work. Raises OutOfMemory.
        """
        if not len(samples):
            return [], {}
        with checking(checkpoint):
            output = self._in_memory(samples, options, tell)
        duration = len(samples) / SAMPLE_RATE
        found = output.speaker_diarization
        turns = [
            Turn(round(max(segment.start, 0.0), 3), round(min(segment.end, duration), 3), speaker)
            for segment, _, speaker in found.itertracks(yield_label=True)
            if segment.start < duration
        ]
        voices = zip(found.labels(), output.speaker_embeddings, strict=False)
        tell(1.0)
        return (
            sorted(turns, key=lambda turn: (turn.start, turn.end)),
            {
                speaker: voice.astype(np.float32)
                for speaker, voice in voices
                if np.isfinite(voice).all() and voice.any()
            },
        )

    def embedding(self, samples: Samples) -> Floats:
        """The voice in a clip of some seconds in which one person speaks, without its pauses; as one of `diarize`.

        Raises BadAudio and OutOfMemory.
        """
        turns, _ = self.diarize(samples, SpeakerOptions(exactly=1), checkpoint=lambda: None)
        spans = [samples[int(turn.start * SAMPLE_RATE) : int(turn.end * SAMPLE_RATE)] for turn in turns]
        speech = np.concatenate([*spans, samples[:0]])
        model = self._pipeline._embedding  # noqa: SLF001  pyannote's has no other name
        if len(speech) < model.min_num_samples:
            raise BadAudio("Nobody is heard in it, or not for long enough.")
        voice: Floats = model(torch.from_numpy(speech)[None, None])[0]
        return voice

    def _in_memory(self, samples: Samples, options: SpeakerOptions, tell: Tell) -> Any:
        """With smaller batches if there is not enough memory for the usual ones."""
        pipeline = self._pipeline
        usual = pipeline.segmentation_batch_size, pipeline.embedding_batch_size
        try:
            while True:
                try:
                    return self._computed(samples, options, tell)
                except (RuntimeError, MemoryError) as exc:
                    if not is_want_of_memory(exc):
                        raise
                tidy_up()
                if pipeline.segmentation_batch_size == pipeline.embedding_batch_size == 1:
                    raise OutOfMemory
                pipeline.segmentation_batch_size = max(pipeline.segmentation_batch_size // 2, 1)
                pipeline.embedding_batch_size = max(pipeline.embedding_batch_size // 2, 1)
        finally:
            pipeline.segmentation_batch_size, pipeline.embedding_batch_size = usual

    def _computed(self, samples: Samples, options: SpeakerOptions, tell: Tell) -> Any:
        lid = memory.Lid()

        def look_up(step: str, _: Any, *, total: int | None = None, completed: int | None = None, **__: Any) -> None:
            check()
            lid.look()
            if total and completed is not None and step in _SHARES:
                begin, end = _SHARES[step]
                tell(begin + (end - begin) * min(completed / total, 1.0))

        check()
        return self._pipeline(
            {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE},
            num_speakers=options.exactly,
            min_speakers=options.at_least,
            max_speakers=options.at_most,
            hook=look_up,
        )
