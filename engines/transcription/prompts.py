"""How much of what is told before a recording a model can make use of. Pure.

Whisper is told at most half of what its decoder holds: the last tokens of the text before, the first of the hot words.
Tokenizers look at all of a text all the same, take a second for each megabyte, and let no other thread compute
meanwhile; and the libraries have them do so for every batch again. So whatever cannot matter is cut off beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

TOKENS = 224
"""Half of what the decoder of every Whisper model holds."""
MOST = 32 * TOKENS
"""Characters. A token has a handful of them."""


def latest(text: str | None) -> str | None:
    """Of a text that comes before the recording, what may be told."""
    return text if text is None or len(text) <= MOST else text.rstrip()[-MOST:]


def first(text: str | None) -> str | None:
    """Of hot words, what may be told."""
    return text if text is None or len(text) <= MOST else text.lstrip()[:MOST]


def beside(hot: Sequence[int], before: list[int], holds: int) -> list[int]:
    """Of the tokens of a text before the recording, the latest that have room beside the tokens of hot words.

    faster-whisper gives half of what the decoder holds to each of them, and nothing would be left for the transcript.
    """
    room = holds // 2 - 1 - len(hot)
    return before[-room:] if room > 0 else []
