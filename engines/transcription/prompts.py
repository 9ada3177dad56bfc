"""How much of what is told before a recording a model can make use of. Pure.

Whisper is told at most half of what its decoder holds: the last tokens of the text before, the first of the hot words.
Tokenizers look at all of a text all the same, take a second for each megabyte, and let no other thread compute
meanwhile; and the libraries have them do so for every batch again. So whatever cannot matter is cut off beforehand.
"""

from __future__ import annotations

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
