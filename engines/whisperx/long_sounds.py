"""An alignment model that also takes long sounds, piece by piece. HEAVY: import it in a thread.

WhisperX hands it a whole segment at once. Its attention looks from each 20 ms at all others, so what takes 10 MB for
half a minute takes tens of gigabytes for half an hour.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from engines.transcription.tape import SAMPLE_RATE
from engines.whisperx.checkpoints import check

WHOLE = 60 * SAMPLE_RATE
"""Samples that the model takes at once, as WhisperX would: windows of Whisper have half of it."""
PIECE = 30 * SAMPLE_RATE
CONTEXT = 2 * SAMPLE_RATE
"""What it hears before and after a piece."""


class LongSounds:
    """Stands in for the model in `whisperx.align`.

    kind: WhisperX's name of where the model is from, `huggingface` or `torchaudio`; it calls them differently.
    """

    def __init__(self, model: Any, kind: str) -> None:
        self._model = model
        self._kind = kind

    def __call__(self, waveform: torch.Tensor, lengths: Any = None) -> Any:
        check()
        if waveform.shape[-1] <= WHOLE:
            return self._model(waveform, lengths=lengths) if self._kind == "torchaudio" else self._model(waveform)
        emissions = torch.cat([self._piece(waveform, at) for at in range(0, waveform.shape[-1], PIECE)], dim=1)
        return (emissions, None) if self._kind == "torchaudio" else SimpleNamespace(logits=emissions)

    def _piece(self, waveform: torch.Tensor, first: int) -> torch.Tensor:
        """Frames of the samples from `first` on. All pieces but the last give as many frames for each second."""
        check()
        begin, end = max(first - CONTEXT, 0), first + PIECE + CONTEXT
        heard = waveform[:, begin:end]
        result = self._model(heard)
        emissions: torch.Tensor = result[0] if self._kind == "torchaudio" else result.logits
        skipped = (first - begin) // _STRIDE
        wanted = PIECE // _STRIDE if waveform.shape[-1] > first + PIECE else emissions.shape[1] - skipped
        return emissions[:, skipped : skipped + wanted]


_STRIDE = 320
"""Samples per frame; the same in all wav2vec2 models."""
