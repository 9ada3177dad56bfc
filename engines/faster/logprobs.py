"""How probable each token of a text was, found where faster-whisper aligns words and puts it away."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

from engines.transcription.transcript import TokenLogprob

LEAST = -100.0
"""For what the model gives no probability at all; JSON has no minus infinity."""


class Heard:
    """Tokens in the order in which they were aligned, until their segments claim them."""

    def __init__(self) -> None:
        self._tokens: deque[tuple[int, float]] = deque()

    def add(self, text: Iterable[int], probabilities: Iterable[float]) -> None:
        self._tokens.extend(zip(text, probabilities, strict=False))

    def claim(self, text: Sequence[int]) -> list[float]:
        """The logarithms of these tokens' probabilities. What was aligned before them belonged to dropped segments."""
        waiting = list(self._tokens)
        for first in range(len(waiting) - len(text) + 1):
            if [token for token, _ in waiting[first : first + len(text)]] == list(text):
                for _ in range(first + len(text)):
                    self._tokens.popleft()
                return [_logarithm(probability) for _, probability in waiting[first : first + len(text)]]
        return [LEAST] * len(text)


def _logarithm(probability: float) -> float:
    return math.log(probability) if probability > 0 else LEAST


def _characters() -> dict[str, int]:
    """How byte-level BPE vocabularies write bytes: printable Latin-1 as it is, the others from U+0100 on (GPT-2)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _characters()


def token_bytes(written: str | None) -> bytes:
    """The bytes of a token as the vocabulary writes it."""
    return bytes(_BYTES[character] for character in written or "" if character in _BYTES)


def rendered(tokens: Sequence[bytes], logprobs: Sequence[float]) -> tuple[TokenLogprob, ...]:
    """Tokens' bytes and figures as a transcript holds them."""
    return tuple(
        TokenLogprob(data.decode(errors="replace"), data, round(logprob, 6))
        for data, logprob in zip(tokens, logprobs, strict=True)
    )
